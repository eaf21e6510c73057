"""Writing that a kill at any moment leaves whole or undone, and digests of files and values."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

TEMPORARY_PREFIX = ".auditkit-tmp-"


def _temporary(directory: Path) -> str:
    """A name for a file in `directory` that nobody has."""
    return os.path.join(directory, f"{TEMPORARY_PREFIX}{uuid.uuid4().hex[:16]}")


def _make(name: str) -> None:
    """Make an empty file, with the rights that the user's umask gives to any file."""
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666))


def _sync_file(name: str) -> None:
    with open(name, "rb") as stream:
        os.fsync(stream.fileno())


def _forget(names: Iterable[str]) -> None:
    """Remove what was not finished. What can't be removed now goes at the start of the next run."""
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(name)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[str]:
    """The name of a temporary file beside `path`; on leaving it is synced and renamed, or removed on an error."""
    name = _temporary(path.parent)
    try:
        _make(name)
        yield name
        _sync_file(name)
        os.replace(name, path)
        sync_directory(path.parent)
    except BaseException:
        _forget([name])
        raise


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; on leaving it takes the place of `path` whole, or is removed on an error."""
    with _replacing(path) as name, open(name, "wb") as stream:
        yield stream


def sync_directory(path: Path) -> None:
    """Make a rename in this directory survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file, or nothing."""
    with atomic(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Write a whole UTF-8 file, or nothing."""
    write_bytes(path, content.encode("utf-8"))


def write_through(path: Path, writer: Callable[[str], object]) -> None:
    """Like `write_bytes`, for libraries that want to be given a path to write to."""
    with _replacing(path) as name:
        writer(name)


def write_together(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Write several files of one directory. All lie on the disk before the first takes its name: a disk that is full
    leaves every old file as it was."""
    staged: dict[str, str] = {}
    try:
        for name, content in contents.items():
            staged[name] = _temporary(directory)
            _make(staged[name])
            Path(staged[name]).write_bytes(content)
            _sync_file(staged[name])
        for name, temporary in staged.items():
            os.replace(temporary, directory / name)
        sync_directory(directory)
    except BaseException:
        _forget(staged.values())
        raise


def remove_temporaries(directory: Path) -> None:
    """Remove what a killed run left half-written below `directory`."""
    for stray in directory.rglob(f"{TEMPORARY_PREFIX}*"):
        stray.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_tree(path: Path) -> str:
    """Digest of a file, or of a directory's sorted manifest of relative paths and file digests."""
    return sha256_file(path) if path.is_file() else manifest_digest(file_digests(path))


def file_digests(path: Path) -> dict[str, str]:
    """The digest of every file of a directory, by its relative path with `/`, in the order of the manifest."""
    entries = sorted(entry for entry in path.rglob("*") if entry.is_file())
    return {entry.relative_to(path).as_posix(): sha256_file(entry) for entry in entries}


def manifest_digest(files: Mapping[str, str]) -> str:
    """Digest of a manifest that `file_digests` made: a line for each file, its path, a NUL byte, its digest."""
    digest = hashlib.sha256()
    for name, sha256 in files.items():
        # A name that is no UTF-8 goes in as the bytes that it is on the disk.
        digest.update(f"{name}\0{sha256}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """Hex digest of a JSON-able value, independent of the order of keys."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()

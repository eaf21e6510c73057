"""Writing that a kill at any moment leaves whole or undone, and digests of files and values."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

TEMPORARY_PREFIX = ".auditkit-tmp-"


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[str]:
    """The name of a temporary file beside `path`; on leaving it is synced and renamed, or removed on an error."""
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    os.close(descriptor)
    try:
        yield name
        with open(name, "rb") as stream:
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
        sync_directory(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
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
    if path.is_file():
        return sha256_file(path)
    digest = hashlib.sha256()
    for entry in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{entry.relative_to(path).as_posix()}\0{sha256_file(entry)}\n".encode())
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """Hex digest of a JSON-able value, independent of the order of keys."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()

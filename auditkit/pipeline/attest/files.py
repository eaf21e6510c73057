"""Reading a run directory as a hostile one: no link is followed, nothing but regular files is opened."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from auditkit.core.errors import InputRefusedError
from auditkit.core.files import TEMPORARY_PREFIX
from auditkit.pipeline.rundir import LOCK

ATTESTATION = "attestation.json"
#: How many names a listing of a directory holds at most.
MAX_LISTED = 200_000
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsoundFileError(Exception):
    """A file of a run directory is not there, or is not what auditkit writes; the message completes "it ..."."""


@contextmanager
def open_below(root: Path, name: str) -> Iterator[BinaryIO]:
    """Open the regular file `name` (with `/` between its parts) below `root`, following no link on the way.

    Raises `UnsoundFileError`.
    """
    *folders, last = name.split("/")
    held = [_open(str(root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, None)]
    try:
        for folder in folders:
            held.append(_open(folder, _FLAGS | os.O_DIRECTORY, held[-1]))
        descriptor = _open(last, _FLAGS, held[-1])
    finally:
        for directory in held:
            os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsoundFileError("is no regular file")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def _open(name: str, flags: int, directory: int | None) -> int:
    try:
        return os.open(name, flags, dir_fd=directory)
    except FileNotFoundError:
        raise UnsoundFileError("is gone") from None
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            if stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                raise UnsoundFileError("is a link, which auditkit never writes") from None
        reason = getattr(error, "strerror", None) or "its name can't be one"
        raise UnsoundFileError(f"can't be read ({reason})") from None


def digest_of_stream(stream: BinaryIO) -> str:
    """SHA-256 of what is left of a stream."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def digest_below(root: Path, name: str) -> str:
    """SHA-256 of that file. Raises `UnsoundFileError`."""
    with open_below(root, name) as stream:
        try:
            return digest_of_stream(stream)
        except OSError as error:
            raise UnsoundFileError(f"can't be read ({error.strerror})") from None


def read_below(root: Path, name: str, limit: int) -> bytes:
    """The bytes of that file. Raises `UnsoundFileError`, `InputRefusedError` where it has more than `limit`."""
    with open_below(root, name) as stream:
        size = os.fstat(stream.fileno()).st_size
        try:
            content = stream.read(min(size, limit) + 1)
        except OSError as error:
            raise UnsoundFileError(f"can't be read ({error.strerror})") from None
    if len(content) > limit:
        raise InputRefusedError(f"{root / name}: is larger than {limit:,} bytes")
    return content


def listed(root: Path) -> list[str]:
    """Names, with `/` between their parts, of all that lies below `root` but directories; links are not followed.

    The lock, the attestation itself and what a killed process left half-written are left out.
    Raises `InputRefusedError` where there are more than `MAX_LISTED`, or a directory can't be read.
    """
    found: list[str] = []
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        for name, folder in _entries(root, prefix):
            if folder:
                waiting.append(f"{name}/")
            elif name not in (LOCK, ATTESTATION) and not name.rpartition("/")[2].startswith(TEMPORARY_PREFIX):
                found.append(name)
        if len(found) + len(waiting) > MAX_LISTED:
            raise InputRefusedError(f"{root}: holds more than {MAX_LISTED:,} files; that is no run directory")
    return sorted(found)


def _entries(root: Path, prefix: str) -> list[tuple[str, bool]]:
    """Names of what is in that directory, and whether each is a directory itself."""
    try:
        with os.scandir(root / prefix) as entries:
            return [(prefix + entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError as error:
        raise InputRefusedError(f"{root / prefix}: can't be read ({error.strerror})") from None

"""Private copies of files whose loading runs code: what was hashed is what is run, whoever writes to the original.

A copy is made while its bytes are hashed, into a directory that only this user can enter, and a worker opens the copy.
The directory goes once the model is open; one that a killed process left is removed when the next one is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import TracebackType
from typing import BinaryIO, Self

from auditkit.core.errors import InputRefusedError
from auditkit.core.model import Trusted
from auditkit.models.reading import open_regular
from auditkit.models.trust import Trust
from auditkit.models.worker.homes import Home

#: The largest file that is copied.
MAX_BYTES = 16 << 30
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Snapshot:
    """A private copy, and the digest of exactly the bytes that are in it."""

    path: Path
    sha256: str


def digest_regular(path: Path, limit: int = MAX_BYTES) -> str:
    """Hex SHA-256 of a regular file of at most `limit` bytes. Never waits on a pipe or a device.

    Raises `InputRefusedError` for anything else, and where the file changes its size meanwhile.
    """
    with _open(path, limit) as (stream, size):
        return _hash(path, stream, size, None)


class Snapshots:
    """Makes private copies; use as a context manager, which removes them."""

    def __init__(self, limit: int = MAX_BYTES) -> None:
        """`limit` is the most bytes of one file."""
        self._limit = limit
        self._home: Home | None = None

    def take(self, path: Path, name: PurePath | None = None) -> Snapshot:
        """Copy a regular file, and hash the bytes of the copy. `name`: where it lies in the directory of copies.

        Raises `InputRefusedError` where it is absent, no regular file, too large, or changes while it is copied;
        `OSError` where the copy can't be written.
        """
        with _open(path, self._limit) as (stream, size):
            copy = self.directory / (name or path.name)
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
            with os.fdopen(descriptor, "wb") as written:
                return Snapshot(copy, _hash(path, stream, size, written))

    @property
    def directory(self) -> Path:
        """Where the copies lie, and nothing else."""
        if self._home is None:
            self._home = Home()
        return Path(self._home.path).resolve()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._home is not None:
            self._home.remove()
            self._home = None


def take_trusted(
    copies: Snapshots,
    path: Path,
    what: str,
    trust: Trust,
    *,
    own_code: bool = False,
    instead: str | None = None,
    name: PurePath | None = None,
) -> tuple[Path, Trusted]:
    """A private copy of a file whose loading runs code, and who trusted it. For the words see `Trust.require`.

    Raises `InputRefusedError`: as `Snapshots.take`, as `Trust.require`, and where the file is another one by the time
    that it is copied.
    """
    trusted = trust.require(path, digest_regular(path), what, own_code=own_code, instead=instead)
    copy = copies.take(path, name)
    if copy.sha256 != trusted.sha256:
        raise InputRefusedError(f"{path}: changed while it was read; try again once nothing writes to it")
    return copy.path, trusted


@contextlib.contextmanager
def _open(path: Path, limit: int) -> Iterator[tuple[BinaryIO, int]]:
    """The open file and its size."""
    with open_regular(path) as (stream, size):
        if size > limit:
            raise InputRefusedError(f"{path}: {size:,} bytes, more than the {limit:,} that are read")
        yield stream, size


def _hash(path: Path, stream: BinaryIO, size: int, written: BinaryIO | None) -> str:
    """The digest of the bytes, which go to `written`, too."""
    digest, left = hashlib.sha256(), size
    try:
        # One byte more than there should be tells a file that grows.
        while block := stream.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                break
            digest.update(block)
            if written is not None:
                written.write(block)
    except OSError as error:
        if written is not None:
            raise
        raise InputRefusedError(f"{path}: can't be read ({error.strerror})") from None
    if left:
        raise InputRefusedError(f"{path}: changed while it was read; try again once nothing writes to it")
    return digest.hexdigest()

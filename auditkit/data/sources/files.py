"""Opening files that may be anything: a regular file is made sure of before a byte is read, and again at the end."""

from __future__ import annotations

import codecs
import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from auditkit.core.errors import InputRefusedError

#: No text cell that is a category, a label or a name is longer; longer ones would let a small file fill the memory.
MAX_CELL_BYTES = 65_536
_BLOCK = 1 << 20
_HEAD = 512

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_MAGIC = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the data; run `git lfs pull`"),
    (b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (b"PK\x03\x04", "a zip archive (or an Excel workbook); unpack it or export it as CSV"),
    (b"BZh", "bzip2-compressed; unpack it first"),
    (b"\xfd7zXZ\x00", "xz-compressed; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "Zstandard-compressed; unpack it first"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x80\x04", "a Python pickle, which auditkit does not read"),
    (b"\x80\x05", "a Python pickle, which auditkit does not read"),
)
_TABULAR_MAGIC = (
    (b"PAR1", "parquet", "a Parquet file; give it the suffix .parquet"),
    (b"ARROW1", "arrow", "an Arrow file; give it the suffix .arrow"),
    (b"FEA1", "feather 1", "in Feather's first version, which is no longer read; write it again as Parquet"),
)
_MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml")


@dataclass(frozen=True)
class Fingerprint:
    """What a file was when it was hashed: `sha256` of its bytes, and what `stat` said of it."""

    path: Path
    sha256: str
    identity: tuple[int, ...]
    #: Text files only: whether the number of double quotes is odd.
    odd_quotes: bool = False

    @property
    def name(self) -> str:
        """The name that messages give the file."""
        return shown_name(self.path)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.identity[2]


def shown_name(path: Path) -> str:
    """A file's name with control and bidirectional characters escaped, cut at 120 characters."""
    return printable(path.name or str(path))


def printable(text: str, limit: int = 120) -> str:
    """Foreign text made safe for a message of one line."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut)


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, unless it is no regular file. Never blocks on a pipe or a device.

    Raises `InputRefusedError` that says what it is instead, or why it can't be opened.
    """
    name = shown_name(path)
    try:
        _refuse_special(name, os.stat(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InputRefusedError(f"{name}: {_why(error)}") from None
    except ValueError:
        raise InputRefusedError(f"{name}: the path holds a NUL character") from None
    with os.fdopen(descriptor, "rb") as stream:
        _refuse_special(name, os.fstat(descriptor))
        yield stream


def _refuse_special(name: str, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    what = next((text for test, text in _KINDS if test(status.st_mode)), "no regular file")
    raise InputRefusedError(f"{name}: this is {what}, not a data file")


def _why(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "this is a loop of symbolic links"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "no permission to read it"
    return f"it can't be opened ({(error.strerror or type(error).__name__).lower()})"


def _identity(stream: BinaryIO) -> tuple[int, ...]:
    """What tells a file from another, and from itself once it was written to. Whoever sets its time back to hide that
    changes the time of its inode (the last), which can't be set."""
    status = os.fstat(stream.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def fingerprint(path: Path, form: str, *, text: bool) -> Fingerprint:
    """Hash a file and make sure that it can be what its suffix says.

    `form` is the format that the suffix stands for; `text=True` also checks that all of it is UTF-8 without NUL
    bytes. Memory is one block. Raises `InputRefusedError` in one line for whatever is no data file.
    """
    with open_regular(path) as stream:
        identity = _identity(stream)
        digest = hashlib.sha256()
        checker = _TextChecker(shown_name(path)) if text else None
        first = True
        try:
            while block := stream.read(_BLOCK):
                if first:
                    _sniff(shown_name(path), block[:_HEAD], form)
                    first = False
                digest.update(block)
                if checker:
                    checker.feed(block)
        except OSError as error:
            raise InputRefusedError(f"{shown_name(path)}: {_why(error)}") from None
        if first:
            raise InputRefusedError(f"{shown_name(path)}: the file is empty")
        odd = checker.finish() if checker else False
        _refuse_changed(shown_name(path), stream, identity)
    return Fingerprint(path, digest.hexdigest(), identity, odd)


def _sniff(name: str, head: bytes, form: str) -> None:
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise InputRefusedError(f"{name}: this is {what}")
    for magic, own, what in _TABULAR_MAGIC:
        if head.startswith(magic) and own != form:
            raise InputRefusedError(f"{name}: this is {what}")
    if head.removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(_MARKUP):
        raise InputRefusedError(f"{name}: this is an HTML or XML page (an error page that was downloaded?), not data")


class _TextChecker:
    """Checks a text file block by block: valid UTF-8, no NUL; counts lines for its messages, and quotes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._lines = 1
        self._quotes = 0

    def feed(self, block: bytes) -> None:
        nul = block.find(b"\0")
        if nul >= 0:
            line = self._lines + block.count(b"\n", 0, nul)
            raise InputRefusedError(f"{self._name}: line {line} holds a NUL byte; this is no text file")
        try:
            self._decoder.decode(block)
        except UnicodeDecodeError as error:
            line = self._lines + error.object.count(b"\n", 0, error.start)
            byte = f"0x{error.object[error.start]:02x}"
            raise InputRefusedError(
                f"{self._name}: line {line} is not UTF-8 (byte {byte}); save the file as UTF-8"
            ) from None
        self._lines += block.count(b"\n")
        self._quotes += block.count(b'"')

    def finish(self) -> bool:
        """Whether the number of double quotes is odd. Raises where the file ends inside a character."""
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise InputRefusedError(
                f"{self._name}: the last line ends inside a UTF-8 character; is the file cut off?"
            ) from None
        return self._quotes % 2 == 1


@contextlib.contextmanager
def reading(mark: Fingerprint, what: str) -> Iterator[BinaryIO]:
    """Open a hashed file again for one pass, and turn whatever goes wrong into one line.

    Raises `InputRefusedError` where the file is not the one that was hashed, where it changes during the pass, and
    for every error of a decoder; `what` names the format in that message.
    """
    with open_regular(mark.path) as stream:
        _refuse_changed(mark.name, stream, mark.identity)
        try:
            yield stream
        except (pa.ArrowException, OSError, UnicodeError, MemoryError, RecursionError, OverflowError) as error:
            _refuse_changed(mark.name, stream, mark.identity)
            first = printable(str(error).strip().partition("\n")[0] or type(error).__name__, 160)
            raise InputRefusedError(f"{mark.name}: {what} can't be read, it is damaged or cut off ({first})") from None
        _refuse_changed(mark.name, stream, mark.identity)


def _refuse_changed(name: str, stream: BinaryIO, identity: tuple[int, ...]) -> None:
    if _identity(stream) != identity:
        raise InputRefusedError(
            f"{name}: the file changed while it was being read; run again when nothing writes to it"
        )

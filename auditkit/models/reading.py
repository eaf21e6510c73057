"""Reading a model's files as hostile bytes: regular, bounded, inside their directory, and JSON without surprises."""

from __future__ import annotations

import contextlib
import json
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from auditkit.core.errors import InputRefusedError

MEGABYTE = 1 << 20
#: What `zipfile` raises where it can't read an archive: damage in a table or in compressed data, an unknown method, a
#: password (RuntimeError).
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
    OverflowError,
)


def resolve_inside(path: Path, root: Path | None) -> Path:
    """`path` with every link followed. Raises `InputRefusedError` where it is absent, loops, or leaves `root`."""
    try:
        resolved = path.resolve(strict=True)
        inside = root is None or resolved.is_relative_to(root.resolve(strict=True))
    except FileNotFoundError:
        raise InputRefusedError(f"{path}: no such file") from None
    except (OSError, RuntimeError):
        raise InputRefusedError(f"{path}: can't be followed (a loop of links?); point to the file itself") from None
    if not inside:
        raise InputRefusedError(f"{path}: a link that leaves {root}; copy the file into the model's directory instead")
    return resolved


@contextlib.contextmanager
def open_regular(path: Path, *, root: Path | None = None) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file, open for reading, and its size; it stays inside `root` once links are followed.

    Raises `InputRefusedError` for anything else: an absent file, a pipe, a device, a directory.
    """
    resolved = resolve_inside(path, root)
    try:
        descriptor = os.open(resolved, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise InputRefusedError(f"{path}: can't be read ({error.strerror})") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise InputRefusedError(f"{path}: not a regular file (a directory, a pipe or a device)")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream, status.st_size


def read_regular(path: Path, *, limit: int, root: Path | None = None) -> bytes:
    """The bytes of a regular file of at most `limit` bytes, which stays inside `root` once links are followed.

    Raises `InputRefusedError` for anything else: what `open_regular` refuses, a file too large, one that changes.
    """
    with open_regular(path, root=root) as (stream, size):
        if size > limit:
            raise InputRefusedError(f"{path}: {size:,} bytes, more than the {limit:,} that are read")
        content = stream.read(size + 1)
    if len(content) != size:
        raise InputRefusedError(f"{path}: changed while it was read; try again once nothing writes to it")
    return content


def parse_json(content: bytes, where: str) -> Any:
    """Parse JSON strictly: UTF-8, no duplicate key, no NaN or Infinity, bounded nesting.

    Raises `InputRefusedError` that starts with `where`.
    """

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the key {key[:100]!r} stands there twice")
            found[key] = value
        return found

    def no_constants(name: str) -> NoReturn:
        raise ValueError(f"{name} is not a JSON number")

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=no_duplicates, parse_constant=no_constants)
    except RecursionError:
        raise InputRefusedError(f"{where}: JSON nested too deeply") from None
    except ValueError as error:
        raise InputRefusedError(f"{where}: not valid JSON: {error}") from None

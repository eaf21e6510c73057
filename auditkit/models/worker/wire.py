"""Frames between parent and worker: a JSON header and raw arrays. No pickle in either direction.

A frame is `AKW1`, the header's length (uint32), the body's length (uint64), the header, the body. The header names an
operation, its fields, and the arrays that the body holds one after another.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from auditkit.core.types import Batch, ObjectArray
from auditkit.models.strings import from_codes, to_codes

_PREFIX = struct.Struct("<4sIQ")
_MAGIC = b"AKW1"
_DTYPES = ("<f8", "<f4", "<i8", "<i4", "|u1")
MAX_HEADER = 16 << 20
MAX_BODY = 4 << 30
MAX_ARRAYS = 100_000
Arrays = dict[str, npt.NDArray[Any]]


class WireError(Exception):
    """What came over the wire is no frame."""


class ConnectionLostError(Exception):
    """The other side has gone."""


@dataclass(frozen=True)
class Frame:
    """One message: what is asked or answered, small fields, and arrays by name."""

    op: str
    fields: dict[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)


def send(connection: socket.socket, frame: Frame, seconds: float | None = None) -> None:
    """Send one frame. Raises `WireError` (too large), `ConnectionLostError`, or `TimeoutError` after `seconds`."""
    arrays = {name: np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<")) for name, a in frame.arrays.items()}
    table = [{"name": name, "dtype": a.dtype.str, "shape": list(a.shape)} for name, a in arrays.items()]
    header = json.dumps({"op": frame.op, "fields": frame.fields, "arrays": table}).encode()
    body = sum(a.nbytes for a in arrays.values())
    if len(header) > MAX_HEADER or body > MAX_BODY:
        raise WireError(f"a frame of {len(header):,} + {body:,} bytes is too large; use smaller batches")
    try:
        connection.settimeout(seconds)
        connection.sendall(_PREFIX.pack(_MAGIC, len(header), body) + header)
        for array in arrays.values():
            if array.nbytes:
                connection.sendall(array.reshape(-1).view(np.uint8).data)
    except TimeoutError:
        raise
    except OSError as error:
        raise ConnectionLostError(str(error)) from None


def receive(connection: socket.socket, seconds: float | None = None) -> Frame:
    """Receive one frame, checked. Raises `WireError`, `ConnectionLostError`, or `TimeoutError` after `seconds`."""
    deadline = None if seconds is None else time.monotonic() + seconds
    magic, header_length, body_length = _PREFIX.unpack(_read(connection, _PREFIX.size, deadline))
    if magic != _MAGIC or header_length > MAX_HEADER or body_length > MAX_BODY:
        raise WireError("no frame header")
    op, fields, table = _parse_header(bytes(_read(connection, header_length, deadline)))
    if sum(size for _, _, _, size in table) != body_length:
        raise WireError("the arrays do not add up to the length of the body")
    arrays: Arrays = {}
    for name, dtype, shape, size in table:
        arrays[name] = np.frombuffer(_read(connection, size, deadline), dtype=dtype).reshape(shape)
    return Frame(op, fields, arrays)


def _read(connection: socket.socket, size: int, deadline: float | None) -> bytearray:
    content = bytearray(size)
    view, position = memoryview(content), 0
    while position < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        else:
            connection.settimeout(None)
        try:
            count = connection.recv_into(view[position:])
        except ConnectionResetError:
            count = 0
        if count == 0:
            raise ConnectionLostError("the connection was closed")
        position += count
    return content


def _parse_header(content: bytes) -> tuple[str, dict[str, Any], list[tuple[str, str, tuple[int, ...], int]]]:
    try:
        header = json.loads(content)
        op, fields, table = header["op"], header["fields"], header["arrays"]
        if not (isinstance(op, str) and isinstance(fields, dict) and len(table) <= MAX_ARRAYS):
            raise WireError("a header of the wrong form")
        return op, fields, [_parse_array(entry) for entry in table]
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
        raise WireError(f"a header of the wrong form ({type(error).__name__})") from None


def _parse_array(entry: Mapping[str, Any]) -> tuple[str, str, tuple[int, ...], int]:
    name, dtype, shape = entry["name"], entry["dtype"], tuple(entry["shape"])
    if dtype not in _DTYPES or not isinstance(name, str) or len(shape) > 2:
        raise WireError("an array of a type or shape that is not sent here")
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MAX_BODY for n in shape):
        raise WireError("an array with a shape that is none")
    return name, dtype, shape, math.prod(shape) * np.dtype(dtype).itemsize


def pack_strings(prefix: str, values: npt.NDArray[Any], arrays: Arrays) -> None:
    """Put a text column `[B]` (None = missing) into `arrays`: codes, the different strings' bytes, their ends."""
    codes, strings = to_codes(values)
    encoded = [text.encode() for text in strings]
    arrays[f"{prefix}.codes"] = codes
    arrays[f"{prefix}.bytes"] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    arrays[f"{prefix}.ends"] = np.cumsum([len(text) for text in encoded], dtype=np.int64)


def unpack_strings(prefix: str, arrays: Arrays) -> ObjectArray:
    """The text column that `pack_strings` put there. Raises `WireError` where it is malformed."""
    try:
        codes, raw, ends = (arrays[f"{prefix}.{part}"] for part in ("codes", "bytes", "ends"))
        if [a.dtype.str for a in (codes, raw, ends)] != ["<i4", "|u1", "<i8"] or not codes.ndim == ends.ndim == 1:
            raise WireError("a text column of the wrong types")
        bounds = np.concatenate(([0], ends))
        if (np.diff(bounds) < 0).any() or bounds[-1] != len(raw):
            raise WireError("a text column whose strings do not fit its bytes")
        if len(codes) and not (codes.min() >= -1 and codes.max() < len(ends)):
            raise WireError("a text column with codes out of range")
        content = raw.tobytes()
        strings = [content[bounds[i] : bounds[i + 1]].decode() for i in range(len(ends))]
    except (KeyError, UnicodeDecodeError) as error:
        raise WireError(f"a text column is malformed ({type(error).__name__})") from None
    return from_codes(codes, strings)


def pack_batch(batch: Batch) -> tuple[list[list[str]], Arrays]:
    """A batch as a list of [name, "numeric" | "categorical"], in order, and the arrays that hold it."""
    columns: list[list[str]] = []
    arrays: Arrays = {}
    for position, (name, values) in enumerate(batch.items()):
        text = values.dtype.kind in "OUT"
        columns.append([name, "categorical" if text else "numeric"])
        if text:
            pack_strings(str(position), values, arrays)
        else:
            arrays[str(position)] = np.asarray(values, dtype=np.float64)
    return columns, arrays


def unpack_batch(columns: list[list[str]], arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The batch that `pack_batch` packed. Raises `WireError` where it is malformed."""
    try:
        return {
            name: unpack_strings(str(position), arrays) if kind == "categorical" else arrays[str(position)]
            for position, (name, kind) in enumerate(columns)
        }
    except (KeyError, ValueError, TypeError) as error:
        raise WireError(f"a batch is malformed ({type(error).__name__})") from None

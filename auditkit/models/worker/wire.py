"""Frames between parent and worker: a JSON header and raw arrays. No pickle in either direction.

A frame is `AKW1`, the header's length (uint32), the body's length (uint64), the header, the body. The header names an
operation, its fields, and the arrays that the body holds one after another: where each one lies follows from the sizes
before it, so that none can overlap another or lie outside. A frame that begins with `AKM1` leaves its body in memory
that both sides share, from the first byte on.
"""

from __future__ import annotations

import array
import json
import math
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from auditkit.core.types import Batch, ObjectArray
from auditkit.models.strings import from_codes, to_codes
from auditkit.models.worker.segments import SMALLEST, Segment

_PREFIX = struct.Struct("<4sIQ")
_MAGIC, _MAGIC_SHARED = b"AKW1", b"AKM1"
_DTYPES = ("<f8", "<f4", "<i8", "<i4", "|u1")
MAX_HEADER = 16 << 20
MAX_BODY = 4 << 30
MAX_ARRAYS = 100_000
_MAX_DESCRIPTORS, _INT = 2, array.array("i").itemsize
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


def send(
    connection: socket.socket,
    frame: Frame,
    seconds: float | None = None,
    *,
    shared: Segment | None = None,
    descriptors: Sequence[int] = (),
) -> None:
    """Send one frame; the body goes to `shared` where it fits. `descriptors` are handed over with it.

    Raises `WireError` (too large), `ConnectionLostError`, or `TimeoutError` after `seconds`.
    """
    arrays = {name: np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<")) for name, a in frame.arrays.items()}
    table = [{"name": name, "dtype": a.dtype.str, "shape": list(a.shape)} for name, a in arrays.items()]
    header = json.dumps({"op": frame.op, "fields": frame.fields, "arrays": table}).encode()
    parts = [a.reshape(-1).view(np.uint8).data for a in arrays.values() if a.nbytes]
    body = sum(part.nbytes for part in parts)
    if len(header) > MAX_HEADER or body > MAX_BODY:
        raise WireError(f"a frame of {len(header):,} + {body:,} bytes is too large; use smaller batches")
    if shared is not None and SMALLEST <= body <= shared.size:
        _lay_down(shared, parts)
        magic, parts = _MAGIC_SHARED, []
    else:
        magic = _MAGIC
    try:
        connection.settimeout(seconds)
        _send_first(connection, _PREFIX.pack(magic, len(header), body) + header, descriptors)
        for part in parts:
            connection.sendall(part)
    except TimeoutError:
        raise
    except OSError as error:
        raise ConnectionLostError(str(error)) from None


def _lay_down(shared: Segment, parts: Sequence[memoryview]) -> None:
    offset = 0
    for part in parts:
        shared.write(offset, part)
        offset += part.nbytes


def _send_first(connection: socket.socket, content: bytes, descriptors: Sequence[int]) -> None:
    if descriptors:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        content = content[connection.sendmsg([content], rights) :]
    connection.sendall(content)


def body_size(frame: Frame) -> int:
    """Bytes of the frame's body."""
    return sum(a.nbytes for a in frame.arrays.values())


def receive(
    connection: socket.socket,
    seconds: float | None = None,
    *,
    shared: Segment | None = None,
    descriptors: list[int] | None = None,
) -> Frame:
    """Receive one frame, checked; a body in `shared` is copied out first. Descriptors that came with it are added to
    `descriptors`; without such a list, none are taken.

    Raises `WireError`, `ConnectionLostError`, or `TimeoutError` after `seconds`.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    magic, header_length, body_length = _PREFIX.unpack(_read(connection, _PREFIX.size, deadline, descriptors).tobytes())
    if magic not in (_MAGIC, _MAGIC_SHARED) or header_length > MAX_HEADER or body_length > MAX_BODY:
        raise WireError("no frame header")
    op, fields, table = _parse_header(_read(connection, header_length, deadline).tobytes())
    if sum(size for _, _, _, size in table) != body_length:
        raise WireError("the arrays do not add up to the length of the body")
    if magic == _MAGIC_SHARED and (shared is None or body_length > shared.size):
        raise WireError("a body in shared memory that is not there")
    arrays: Arrays = {}
    offset = 0
    for name, dtype, shape, size in table:
        if magic == _MAGIC_SHARED and shared is not None:
            content = shared.read(offset, size)
            offset += size
        else:
            content = _read(connection, size, deadline)
        arrays[name] = content.view(dtype).reshape(shape)
    return Frame(op, fields, arrays)


def _read(
    connection: socket.socket, size: int, deadline: float | None, descriptors: list[int] | None = None
) -> npt.NDArray[np.uint8]:
    # Not a bytearray: that would be filled with zeros first, and numpy takes large pages where there are some.
    content = np.empty(size, dtype=np.uint8)
    view, position = content.data, 0
    while position < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        else:
            connection.settimeout(None)
        try:
            if descriptors is None:
                count = connection.recv_into(view[position:])
            else:
                count = _receive_with_descriptors(connection, view[position:], descriptors)
        except ConnectionResetError:
            count = 0
        if count == 0:
            raise ConnectionLostError("the connection was closed")
        position += count
    return content


def _receive_with_descriptors(connection: socket.socket, view: memoryview, descriptors: list[int]) -> int:
    """Receive into `view`, and what descriptors came along (at most a few)."""
    room = socket.CMSG_SPACE(_MAX_DESCRIPTORS * _INT)
    count, messages, _, _ = connection.recvmsg_into([view], room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in messages:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            got = array.array("i")
            got.frombytes(content[: len(content) - len(content) % _INT])
            descriptors.extend(got)
    return count


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
        # Compared, not subtracted: a difference of 64-bit numbers wraps around.
        if (bounds[1:] < bounds[:-1]).any() or bounds[-1] != len(raw):
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

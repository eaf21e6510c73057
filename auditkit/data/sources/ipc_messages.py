"""How large the record batches of an Arrow file become once they are unpacked, read from its own tables.

pyarrow unpacks a whole batch before it can be asked for its size, so 300 KB of Zstandard would take ten gigabytes.
Format: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc, its
messages by https://flatbuffers.dev/internals/: each compressed buffer starts with its length as int64, or -1 where it
stands there as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_DICTIONARY, _RECORD = 2, 3
_MAX_METADATA = 256 << 20


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer. Raises `struct.error` where it leads out of its bytes."""

    data: bytes
    at: int

    def place(self, number: int) -> int | None:
        """Where a field stands; None where it is left out."""
        start = self.at - _number("<i", self.data, self.at)
        slot = 4 + 2 * number
        if slot + 2 > _number("<H", self.data, start):
            return None
        offset = _number("<H", self.data, start + slot)
        return self.at + offset if offset else None

    def table(self, number: int) -> _Table | None:
        """A field that is a table."""
        place = self.place(number)
        return None if place is None else _Table(self.data, place + _number("<I", self.data, place))

    def structs(self, number: int, form: str) -> Iterator[tuple[int, ...]]:
        """A field that is a list of structs."""
        place = self.place(number)
        if place is None:
            return
        start = place + _number("<I", self.data, place)
        size = struct.calcsize(form)
        count = _number("<I", self.data, start)
        yield from struct.iter_unpack(form, _exactly(self.data[start + 4 : start + 4 + count * size], count * size))


def _number(form: str, data: bytes, at: int) -> int:
    if at < 0:
        raise struct.error("before the start")
    found: int = struct.unpack_from(form, data, at)[0]
    return found


def _exactly(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise struct.error("beyond the end")
    return data


def _root(data: bytes) -> _Table:
    return _Table(data, _number("<I", data, 0))


def unpacked_sizes(stream: BinaryIO, *, file: bool) -> Iterator[int]:
    """Bytes of each compressed record batch and dictionary once it is unpacked; 0 for one that is not compressed.

    `file`: the file format, whose footer says where messages are; else a stream of them. Raises `struct.error` where
    the file's tables lead nowhere; then pyarrow can't read it, either.
    """
    for metadata, body in _blocks(stream) if file else _messages(stream):
        message = _root(metadata)
        kind = message.place(1)
        header = message.table(2)
        if kind is None or header is None:
            continue
        of = _number("<B", metadata, kind)
        if of not in (_DICTIONARY, _RECORD):
            continue
        batch = header.table(1) if of == _DICTIONARY else header
        if batch is not None:
            yield _unpacked(stream, batch, body)


def _unpacked(stream: BinaryIO, batch: _Table, body: int) -> int:
    if batch.table(3) is None:
        return 0
    total = 0
    for offset, length in batch.structs(2, "<qq"):
        if length >= 8:
            if body + offset < 0:
                raise struct.error("before the start")
            stream.seek(body + offset)
            total += max(length, _number("<q", _exactly(stream.read(8), 8), 0))
    return total


def _blocks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The messages that the footer names: their metadata, and where their body starts."""
    end = stream.seek(-10, 2)
    length = _number("<i", stream.read(4), 0)
    if not 0 < length <= min(end, _MAX_METADATA):
        raise struct.error("no footer")
    stream.seek(end - length)
    footer = _root(_exactly(stream.read(length), length))
    left = end
    for number in (2, 3):
        for offset, size, body in footer.structs(number, "<qi4xq"):
            left -= size
            if offset < 0 or not 0 < size <= _MAX_METADATA or body < 0 or left < 0:
                raise struct.error("a block that leads nowhere, or that others name as well")
            stream.seek(offset)
            metadata = _exactly(stream.read(size), size)
            prefix = 8 if metadata[:4] == b"\xff\xff\xff\xff" else 4
            yield metadata[prefix:], offset + size


def _messages(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The messages of a stream, one behind the other."""
    stream.seek(0)
    while len(head := stream.read(4)) == 4:
        if head == b"\xff\xff\xff\xff":
            head = _exactly(stream.read(4), 4)
        size = _number("<i", head, 0)
        if size == 0:
            return
        if not 0 < size <= _MAX_METADATA:
            raise struct.error("no message")
        metadata = _exactly(stream.read(size), size)
        place = _root(metadata).place(3)
        body, length = stream.tell(), 0 if place is None else _number("<q", metadata, place)
        yield metadata, body
        if length < 0:
            raise struct.error("a body of negative length")
        stream.seek(body + length)

"""The wire format of protocol buffers, read strictly and without the library.

Format: https://protobuf.dev/programming-guides/encoding/. A parser may skip unknown fields, merge a message that
stands twice, and take the last of two values; then two readers of one file can see two different things. So what a
serializer never writes is refused here: unknown fields, wrong wire types, groups, a single field twice, varints that
are longer than need be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from auditkit.core.errors import InputRefusedError

#: Fields of a whole file; a model of 100,000 nodes has fewer. It takes seconds to walk them.
MAX_FIELDS = 3_000_000
MAX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIRE = {"int": _VARINT, "double": _FIXED64, "float": _FIXED32, "text": _BYTES, "bytes": _BYTES, "message": _BYTES}
_WIDTH = {"double": 8, "float": 4}

Kind = Literal["int", "double", "float", "text", "bytes", "message"]


@dataclass(frozen=True)
class Field:
    """One field of a message type: its name, what it holds, and for a message which."""

    name: str
    kind: Kind
    repeated: bool = False
    message: str = ""


#: The field numbers of one message type.
Schema = Mapping[int, Field]


@dataclass
class Budget:
    """What is left of the fields that may be read, and the name of the file for messages."""

    where: str
    left: int = MAX_FIELDS

    def spend(self, count: int = 1) -> None:
        """Raise `InputRefusedError` once a file has more fields than are read."""
        self.left -= count
        if self.left < 0:
            raise self.error(f"more than {MAX_FIELDS:,} fields, more than are read")

    def error(self, what: str) -> InputRefusedError:
        """The error that names the file."""
        return InputRefusedError(f"{self.where}: {what}")


def fields(view: memoryview, schema: Schema, message: str, budget: Budget) -> Iterator[tuple[Field, int | memoryview]]:
    """The fields of one message in the order of the file.

    An int for "int" (unsigned; see `signed`), the bytes for all else. Packed numbers come as one piece of bytes: see
    `packed_count`, `packed_ints`. Texts were checked to be UTF-8. Raises `InputRefusedError` for what is malformed.
    """
    position, end = 0, len(view)
    seen: set[int] = set()
    while position < end:
        budget.spend()
        tag, position = _varint(view, position, message, budget)
        number, wire = tag >> 3, tag & 7
        field = schema.get(number)
        if field is None:
            raise budget.error(f"{message} has a field {number:,} that is not known here; was it made by a newer ONNX?")
        if number in seen and not field.repeated:
            raise budget.error(f"{message}.{field.name} stands there twice; the file is forged or broken")
        seen.add(number)
        packed = field.repeated and field.kind in ("int", "float", "double") and wire == _BYTES
        if wire != _WIRE[field.kind] and not packed:
            raise budget.error(f"{message}.{field.name} has wire type {wire}; the file is forged or broken")
        value: int | memoryview
        if wire == _VARINT:
            value, position = _varint(view, position, message, budget)
        else:
            length = _WIDTH.get(field.kind, 0)
            if wire == _BYTES:
                length, position = _varint(view, position, message, budget)
            if length > end - position:
                raise budget.error(f"{message}.{field.name} ends beyond its message; the file is cut off or forged")
            value = view[position : position + length]
            position += length
            if field.kind == "text":
                text(value, f"{message}.{field.name}", budget)
        yield field, value


def _varint(view: memoryview, position: int, message: str, budget: Budget) -> tuple[int, int]:
    value = shift = 0
    for byte in view[position : position + 10]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (byte == 0 and shift) or value >> 64:
                break
            return value, position
        shift += 7
    raise budget.error(f"{message} holds a number that is cut off or too long; the file is forged or broken")


def signed(value: int) -> int:
    """An int32 or int64 from the wire: two's complement in 64 bits."""
    return value - (1 << 64) if value >> 63 else value


def text(view: memoryview, where: str, budget: Budget) -> str:
    """UTF-8, or `InputRefusedError`."""
    try:
        return str(view, "utf-8")
    except UnicodeDecodeError:
        raise budget.error(f"{where} is not UTF-8; the file is forged or broken") from None


def packed_count(view: memoryview, kind: Kind, where: str, budget: Budget) -> int:
    """How many numbers a packed field holds."""
    if kind == "int":
        if len(view) and view[-1] >= 0x80:
            raise budget.error(f"{where} ends inside a number; the file is cut off or forged")
        return sum(_ends(view[start : start + (1 << 20)]) for start in range(0, len(view), 1 << 20))
    if len(view) % _WIDTH[kind]:
        raise budget.error(f"{where} ends inside a number; the file is cut off or forged")
    return len(view) // _WIDTH[kind]


def _ends(view: memoryview) -> int:
    """The bytes that end a varint: those below 128."""
    return len(view.tobytes().translate(None, _CONTINUED))


_CONTINUED = bytes(range(0x80, 0x100))


def packed_ints(view: memoryview, where: str, budget: Budget) -> Iterator[int]:
    """The numbers of a packed field of ints, one by one; each counts as a field."""
    position = 0
    while position < len(view):
        budget.spend()
        value, position = _varint(view, position, where, budget)
        yield value

"""The header of a safetensors file, checked before any library reads the file.

Format: https://github.com/huggingface/safetensors#format. The library itself accepts duplicate keys (the last wins),
white space around the header, and a million empty tensors; what passes here is one plain table of tensors that tile
the file exactly. Offsets need no alignment: the format asks for none, and the library reads tensors at odd offsets.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from auditkit.core.errors import InputRefusedError
from auditkit.models.reading import MEGABYTE, parse_json

#: Bytes of one element.
ITEM_SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
MAX_HEADER = 32 * MEGABYTE
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 8
#: A text in JSON; one without an end takes the rest, so that looking for texts stays linear in the header's length.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
#: Marks of JSON that a table of `MAX_TENSORS` tensors can hold outside of its texts. 32 MiB of nothing but empty lists
#: would take thirty times their length once they are parsed.
_MARKS = {b"{": MAX_TENSORS + 2, b"[": 2 * MAX_TENSORS + 2, b",": (MAX_DIMENSIONS + 4) * MAX_TENSORS}


@dataclass(frozen=True)
class TensorEntry:
    """One tensor: its type, its shape, and where its bytes lie after the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class SafetensorsHeader:
    """What a safetensors file says it holds."""

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]

    @property
    def elements(self) -> int:
        """How many numbers all tensors hold."""
        return sum(entry.elements for entry in self.tensors.values())


def read_header(stream: BinaryIO, size: int, where: str) -> SafetensorsHeader:
    """Read and check the header of a safetensors file of `size` bytes.

    Checked: the header's length, its first and last bytes, valid JSON without duplicate keys, a bounded number of
    tensors, known types, sizes that match shape and type, offsets in range that tile the data without gap, overlap or
    trailing bytes. Raises `InputRefusedError` that starts with `where` and names the tensor.
    """
    if size < 8:
        raise InputRefusedError(f"{where}: {size} bytes are too few for a safetensors file; is it truncated?")
    (length,) = struct.unpack("<Q", stream.read(8))
    if length > min(MAX_HEADER, size - 8):
        raise InputRefusedError(f"{where}: not a safetensors file (its header would be {length:,} bytes long)")
    header = parse_json(_bounded(stream.read(length), where), f"{where}: header")
    if not isinstance(header, dict):
        raise InputRefusedError(f"{where}: header is a JSON {type(header).__name__}, not an object")
    metadata = _metadata(header.pop("__metadata__", {}), where)
    if len(header) > MAX_TENSORS:
        raise InputRefusedError(f"{where}: {len(header):,} tensors, more than the {MAX_TENSORS:,} that are read")
    tensors = {name: _entry(value, f"{where}: tensor {name[:100]!r}") for name, value in header.items()}
    _check_tiling(tensors, size - 8 - length, where)
    return SafetensorsHeader(tensors, metadata)


def _bounded(text: bytes, where: str) -> bytes:
    """The header as it came, where it has the form of one and can't become large once it is parsed."""
    if not text.startswith(b"{") or not text.rstrip(b" ").endswith(b"}"):
        raise InputRefusedError(f"{where}: header is not a JSON object, padded with spaces at most")
    bare = _TEXT.sub(b'""', text)
    if any(bare.count(mark) > most for mark, most in _MARKS.items()):
        raise InputRefusedError(f"{where}: a header of more parts than {MAX_TENSORS:,} tensors have; no more are read")
    return text


def _metadata(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InputRefusedError(f"{where}: __metadata__ is no table of strings")
    return value


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def _entry(value: Any, where: str) -> TensorEntry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise InputRefusedError(f"{where}: expected exactly dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise InputRefusedError(f"{where}: unknown type {str(dtype)[:50]!r}")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or not all(_natural(n) for n in shape):
        raise InputRefusedError(f"{where}: bad shape {str(shape)[:100]}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_natural(n) for n in offsets):
        raise InputRefusedError(f"{where}: bad data_offsets {str(offsets)[:100]}")
    entry = TensorEntry(dtype, tuple(shape), offsets[0], offsets[1])
    needed = entry.elements * ITEM_SIZES[dtype]
    if entry.end - entry.start != needed:
        found = entry.end - entry.start
        raise InputRefusedError(f"{where}: shape {shape} of {dtype} takes {needed:,} bytes, the offsets give {found:,}")
    return entry


def _check_tiling(tensors: Mapping[str, TensorEntry], size: int, where: str) -> None:
    position = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != position:
            what = "overlaps the one before" if entry.start < position else "leaves a gap before it"
            raise InputRefusedError(f"{where}: tensor {name[:100]!r} {what} (starts at {entry.start}, not {position})")
        position = entry.end
    if position != size:
        what = "truncated" if position > size else "followed by bytes that belong to no tensor"
        raise InputRefusedError(f"{where}: {what}: the tensors take {position:,} bytes, the file has {size:,}")

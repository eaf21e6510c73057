"""Tensors of an ONNX file: their data is exactly where and as much as their shape says.

Sources: TensorProto and SparseTensorProto in onnx.proto; https://onnx.ai/onnx/repo-docs/ExternalData.html. onnxruntime
opens the file that `location` names through any link, hard links included, and takes the location `*/_ORT_MEM_ADDR_/*`
for an address in its own memory.
"""

from __future__ import annotations

import math
import os
import re
import stat
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from auditkit.core.errors import InputRefusedError
from auditkit.models.prechecks.onnx_schema import DATA_TYPES, SCHEMAS
from auditkit.models.prechecks.protobuf import Budget, fields, packed_count, packed_ints, signed, text

MAX_DIMENSIONS = 16
#: A sparse tensor is unpacked when the model is loaded.
MAX_DENSE = 4 << 30
_TYPED = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_LOCATION = re.compile(r"[\w .+@=,:;()\[\]~#/-]{1,1000}")
_KEYS = {"location", "offset", "length", "checksum"}


@dataclass
class Tensor:
    """What one TensorProto says."""

    name: str = ""
    data_type: int = 0
    dims: list[int] = field(default_factory=list)
    raw: memoryview | None = None
    counts: Counter[str] = field(default_factory=Counter)
    #: Packed int64, kept for the indices of a sparse tensor.
    int64: list[memoryview | int] = field(default_factory=list)
    external: dict[str, str] = field(default_factory=dict)
    location: int = 0
    segmented: bool = False

    @property
    def elements(self) -> int:
        """How many it has by its shape."""
        return math.prod(self.dims)


class TensorReader:
    """Reads and checks tensors; gathers the external files that they name."""

    def __init__(self, root: Path, budget: Budget) -> None:
        self._root = root
        self._budget = budget
        #: Location: size of the file.
        self.files: dict[str, int] = {}
        self.elements = 0

    def read(self, view: memoryview) -> Tensor:
        """One TensorProto. Raises `InputRefusedError` that names it."""
        tensor = self._parse(view)
        where = f"tensor {tensor.name[:100]!r}"
        if tensor.data_type not in DATA_TYPES:
            raise self._budget.error(f"{where} has the unknown type {tensor.data_type}")
        if len(tensor.dims) > MAX_DIMENSIONS or any(n < 0 for n in tensor.dims):
            raise self._budget.error(f"{where} has the shape {str(tensor.dims)[:100]}")
        if tensor.segmented:
            raise self._budget.error(f"{where} is cut into segments, which nothing writes")
        self._check_data(tensor, where)
        self.elements += tensor.elements
        return tensor

    def _parse(self, view: memoryview) -> Tensor:
        found = Tensor()
        for part, value in fields(view, SCHEMAS["TensorProto"], "TensorProto", self._budget):
            if part.name == "dims":
                found.dims += [signed(n) for n in self.ints(value, "TensorProto.dims")]
                if len(found.dims) > MAX_DIMENSIONS:
                    raise self._budget.error(f"a tensor of more than {MAX_DIMENSIONS} dimensions")
            elif part.name in _TYPED:
                one = isinstance(value, int) or part.kind == "bytes"
                found.counts[part.name] += 1 if one else self._count(value, part)
                if part.name == "int64_data":
                    found.int64.append(value)
            elif part.name == "external_data" and isinstance(value, memoryview):
                key, content = self.entry(value)
                if key in found.external or key not in _KEYS:
                    raise self._budget.error(f"external data with the key {key[:50]!r} twice, or unknown")
                found.external[key] = content
            elif isinstance(value, memoryview):
                found.raw = value if part.name == "raw_data" else found.raw
                found.name = str(value, "utf-8") if part.name == "name" else found.name
                found.segmented |= part.name == "segment"
            elif part.name == "data_type":
                found.data_type = value
            elif part.name == "data_location":
                found.location = value
        return found

    def _count(self, value: int | memoryview, part: Any) -> int:
        if isinstance(value, int):
            return 1
        return packed_count(value, part.kind, f"TensorProto.{part.name}", self._budget)

    def ints(self, value: int | memoryview, where: str) -> list[int]:
        """Numbers that stand alone or packed."""
        return [value] if isinstance(value, int) else list(packed_ints(value, where, self._budget))

    def entry(self, view: memoryview) -> tuple[str, str]:
        """A StringStringEntryProto."""
        found = {"key": "", "value": ""}
        for part, value in fields(view, SCHEMAS["StringStringEntryProto"], "StringStringEntryProto", self._budget):
            if isinstance(value, memoryview):
                found[part.name] = text(value, part.name, self._budget)
        return found["key"], found["value"]

    def _check_data(self, tensor: Tensor, where: str) -> None:
        kind, bits, typed, share = DATA_TYPES[tensor.data_type]
        needed = -(-tensor.elements * bits // 8)
        external = tensor.location == 1
        if tensor.location not in (0, 1) or bool(tensor.external) != external:
            raise self._budget.error(f"{where}: its data is said to be elsewhere, and then not, or the other way round")
        places = [name for name, count in tensor.counts.items() if count]
        places += ["raw_data"] * bool(tensor.raw) + ["an external file"] * external
        if len(places) > 1:
            raise self._budget.error(f"{where} has its data twice: {', '.join(places)}")
        if external and bits:
            self._check_external(tensor.external, needed, where)
        elif (external or tensor.raw) and not bits:
            raise self._budget.error(f"{where}: text can only stand in string_data")
        elif tensor.raw is not None and not tensor.counts:
            if len(tensor.raw) != needed:
                raise self._budget.error(
                    f"{where}: shape {tensor.dims} of {kind} takes {needed:,} bytes, it has {len(tensor.raw):,}"
                )
        elif tensor.counts[typed] != math.ceil(tensor.elements * share) or any(p != typed for p in places):
            found = sum(tensor.counts.values())
            raise self._budget.error(
                f"{where}: shape {tensor.dims} of {kind} needs {tensor.elements:,} in {typed}, it has {found:,}"
                + (f" in {places[0]}" if places else "")
            )

    def _check_external(self, entries: dict[str, str], needed: int, where: str) -> None:
        location = entries.get("location", "")
        size = self.files.get(location)
        if size is None:
            size = self.files[location] = self._open(location, where)
        numbers = {}
        for key in ("offset", "length"):
            written = entries.get(key, "0" if key == "offset" else str(needed))
            if not written.isascii() or not written.isdigit() or len(written) > 18:
                raise self._budget.error(f"{where}: {key} {written[:50]!r} is no number of bytes")
            numbers[key] = int(written)
        if numbers["length"] != needed:
            raise self._budget.error(
                f"{where}: its shape takes {needed:,} bytes, its external data has {numbers['length']:,}"
            )
        if numbers["offset"] + needed > size:
            raise self._budget.error(
                f"{where}: its external data ends at byte {numbers['offset'] + needed:,} of {location}, which has "
                f"{size:,}; is it cut off?"
            )

    def _open(self, location: str, where: str) -> int:
        """The size of an external file. No part of its path may be a link, and nothing else may share its content."""
        said = f"{where}: external data in {location[:200]!r}"
        parts = location.split("/")
        if not _LOCATION.fullmatch(location) or any(part in ("", ".", "..") for part in parts):
            raise self._budget.error(f"{said}: only files in the model's own directory are read")
        path = self._root
        try:
            for part in PurePosixPath(location).parts:
                path = path / part
                status = os.lstat(path)
                if stat.S_ISLNK(status.st_mode):
                    raise self._budget.error(f"{said}: a link; copy the file itself beside the model")
        except OSError as error:
            raise InputRefusedError(f"{self._budget.where}: {said}: can't be read ({error.strerror})") from None
        if not stat.S_ISREG(status.st_mode):
            raise self._budget.error(f"{said}: not a regular file")
        if status.st_nlink > 1:
            raise self._budget.error(
                f"{said}: a hard link, so it may be any file of this disk; copy the file (`cp`) in its place"
            )
        return status.st_size

    def check_sparse(self, dims: list[int], values: Tensor | None, indices: Tensor | None) -> None:
        """A SparseTensorProto: NNZ values, and where they stand: [NNZ], or [NNZ, rank] with one column an axis."""
        name = (values.name if values else "")[:100]
        where = f"sparse tensor {name!r}"
        if values is None or indices is None or not dims or any(n <= 0 for n in dims) or len(dims) > MAX_DIMENSIONS:
            raise self._budget.error(f"{where}: expected values, indices and positive dims")
        bits = DATA_TYPES[values.data_type][1]
        if not bits or math.prod(dims) * bits // 8 > MAX_DENSE:
            raise self._budget.error(f"{where}: shape {dims} takes more than {MAX_DENSE:,} bytes once it is unpacked")
        count = values.dims[0] if len(values.dims) == 1 else -1
        if indices.data_type != 7 or indices.dims not in ([count], [count, len(dims)]):
            raise self._budget.error(f"{where}: {values.dims} values and indices {indices.dims} don't fit together")
        bounds = [math.prod(dims)] if len(indices.dims) == 1 else dims
        for position, index in enumerate(self._indices(indices, where)):
            if not 0 <= index < bounds[position % len(bounds)]:
                raise self._budget.error(f"{where}: index {index} lies outside of shape {dims}")

    def _indices(self, indices: Tensor, where: str) -> list[int]:
        if indices.location:
            raise self._budget.error(f"{where}: its indices stand in an external file, where they can't be checked")
        if indices.raw is not None:
            self._budget.spend(len(indices.raw) // 8)
            return [number for (number,) in struct.iter_unpack("<q", indices.raw)]
        return [signed(n) for piece in indices.int64 for n in self.ints(piece, where)]

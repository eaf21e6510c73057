"""Tensors as `data.pkl` describes them: storages, and views of them that must lie inside.

`torch.load` trusts these numbers: it takes the size of a storage from the pickle and not from the file
(`torch/serialization.py: persistent_load`), so a storage that is said to be larger than its entry reads foreign memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

MAX_TENSORS = 100_000
MAX_DIMENSIONS = 16
#: Elements of tensors that repeat those of their storage (stride 0), all together: a mask has some, a bomb has 2^40.
MAX_REPEATED = 1 << 26
#: Bytes of one element, by the type's name in torch.
ITEM_SIZES = {
    "bool": 1, "uint8": 1, "int8": 1, "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1,
    "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2, "int32": 4, "uint32": 4, "float32": 4,
    "int64": 8, "uint64": 8, "float64": 8, "complex64": 8, "complex128": 16,
}  # fmt: skip
#: Storages as pickles name them, and the type of their elements.
STORAGES = {
    "torch BoolStorage": "bool", "torch ByteStorage": "uint8", "torch CharStorage": "int8",
    "torch ShortStorage": "int16", "torch IntStorage": "int32", "torch LongStorage": "int64",
    "torch HalfStorage": "float16", "torch BFloat16Storage": "bfloat16", "torch FloatStorage": "float32",
    "torch DoubleStorage": "float64", "torch ComplexFloatStorage": "complex64",
    "torch ComplexDoubleStorage": "complex128", "torch.storage UntypedStorage": "uint8",
}  # fmt: skip
DTYPES = {f"torch {name}": name for name in ITEM_SIZES}
#: No number of a shape, a stride or an offset is larger: products of a few stay far from where torch's would wrap.
_LARGEST = 1 << 40
_LOCATION = re.compile(r"[a-z]{1,20}(:\d{1,4})?")


class MalformedError(Exception):
    """What is wrong with the pickle. It never leaves the reading of one."""


@dataclass(frozen=True)
class TensorRow:
    """One tensor: a view of the storage `data/<storage>`; `offset` and `stride` count elements."""

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    storage: str


@dataclass(frozen=True)
class Global:
    """A name that the pickle looks up: module, a space, and what is in it."""

    name: str


@dataclass(frozen=True)
class StorageRow:
    """Bytes of the file, and the type of their elements."""

    key: str
    dtype: str
    size: int


@dataclass(eq=False)
class Table:
    """A dict or an OrderedDict."""

    items: dict[str | int, Any] = field(default_factory=dict)


@dataclass
class Rows:
    """What one pickle describes; `sizes` are the bytes of each storage that the file has."""

    sizes: Mapping[str, int]
    _storages: dict[str, StorageRow] = field(default_factory=dict)
    _tensors: int = 0
    _repeated: int = 0

    def storage(self, identity: tuple[Any, ...]) -> StorageRow:
        """The storage of a persistent id `("storage", type, key, location, elements)`. Raises `MalformedError`."""
        _, kind, key, location, count = identity
        if not isinstance(kind, Global) or kind.name not in STORAGES or not isinstance(key, str):
            raise MalformedError("a storage of an unknown type")
        shown = repr(key[:50])
        if not isinstance(location, str) or not _LOCATION.fullmatch(location) or not _natural(count):
            raise MalformedError(f"storage {shown}: its device or its size is malformed")
        dtype = STORAGES[kind.name]
        found = StorageRow(key, dtype, count * ITEM_SIZES[dtype])
        if self.sizes.get(key) != found.size:
            there = f"{self.sizes[key]:,}" if key in self.sizes else "none"
            raise MalformedError(f"storage {shown} is said to have {found.size:,} bytes, the file has {there}")
        if self._storages.setdefault(key, found) != found:
            raise MalformedError(f"storage {shown} is used as two types")
        return found

    def tensor(self, arguments: tuple[Any, ...], *, typed: bool) -> TensorRow:
        """The tensor of a call of `_rebuild_tensor_v2` (`typed`: the storage says the type) or `_v3`.

        Raises `MalformedError`.
        """
        self._tensors += 1
        if self._tensors > MAX_TENSORS:
            raise MalformedError(f"more than the {MAX_TENSORS:,} tensors that are read")
        least = 6 if typed else 7
        if len(arguments) not in (least, least + 1) or not isinstance(arguments[0], StorageRow):
            raise MalformedError("a tensor whose description is malformed")
        storage, offset, shape, stride, requires_grad, hooks, *more = arguments
        no_hooks(hooks)
        dtype = storage.dtype if typed else _dtype(more.pop(0))
        if more and more[0] is not None and not _is_empty(more[0]):
            raise MalformedError("a tensor marked conjugate or negative; save `tensor.resolve_conj().resolve_neg()`")
        if not (_naturals(shape) and _naturals(stride) and _natural(offset)) or len(shape) != len(stride):
            raise MalformedError("a tensor whose shape, stride or offset is negative, too large or malformed")
        if len(shape) > MAX_DIMENSIONS or not isinstance(requires_grad, bool):
            raise MalformedError(f"a tensor of {len(shape)} dimensions, more than the {MAX_DIMENSIONS} that are read")
        row = TensorRow(dtype, shape, stride, offset, storage.key)
        self._check_view(row, storage.size // ITEM_SIZES[dtype])
        return row

    def _check_view(self, row: TensorRow, elements: int) -> None:
        shown = f"a tensor of shape {list(row.shape)}"
        logical = math.prod(row.shape)
        reach = row.offset + sum((n - 1) * step for n, step in zip(row.shape, row.stride, strict=True)) + 1
        # An empty view reads nothing, wherever it starts: slices of empty tensors start anywhere.
        if logical and reach > elements:
            raise MalformedError(f"{shown} reaches beyond its storage {row.storage[:50]!r} of {elements:,} elements")
        if logical > elements:
            self._repeated += logical
        if self._repeated > MAX_REPEATED or math.prod(n or 1 for n in row.shape) > max(elements, MAX_REPEATED):
            raise MalformedError(f"{shown} would have more elements than its storage of {elements:,} holds: a bomb")

    def check_used(self) -> None:
        """Every storage of the file is used. Raises `MalformedError`."""
        unused = sorted(set(self.sizes) - set(self._storages))
        if unused:
            raise MalformedError(f"holds data that no tensor uses (data/{unused[0][:50]}); save the model again")


def no_hooks(value: object) -> None:
    """Raise `MalformedError` unless these are the hooks of a tensor that has none."""
    if value is not None and not _is_empty(value):
        raise MalformedError("a tensor with hooks")


def _is_empty(value: object) -> bool:
    return isinstance(value, Table) and not value.items


def _dtype(value: object) -> str:
    if not isinstance(value, Global) or value.name not in DTYPES:
        raise MalformedError("a tensor of an unknown type")
    return DTYPES[value.name]


def _natural(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _naturals(value: object) -> TypeGuard[tuple[int, ...]]:
    return isinstance(value, tuple) and all(_natural(item) for item in value)

"""What mergeable states share: exact sums that no order changes, names that line up, and a digest of the whole.

A state is built from a chunk of rows, added to others with `+`, and answers at the end. Every state of this library is
a commutative monoid: however rows are cut into chunks, and in whatever order chunks are added, the state is the same to
the last bit, and so are its `digest()` and its answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from auditkit.core.types import FloatArray, IntArray

#: Sums are whole numbers of 2^-1126: the last bit of the smallest float's mantissa.
_POINT = 1126
_LIMB = np.int64(32)
_MASK = np.int64(2**32 - 1)
#: Pieces of 33 bits, so many at a time, add up to less than 2^53: exact in float64, whatever the order.
_BLOCK = 1 << 19


@dataclass(frozen=True)
class ExactSums:
    """K sums of float64 numbers without any rounding: `total` in units of 2^-1126, as Python integers.

    Kulisch's (1981) long accumulator: floats are whole numbers of one tiny unit, and whole numbers add up in any order.
    About 0.2 µs a number.
    """

    total: tuple[int, ...]

    @classmethod
    def of(cls, codes: IntArray, values: FloatArray, size: int, count: IntArray | None = None) -> ExactSums:
        """Σ `values` (`[n]`, finite) in each of `size` sums; `codes`: int64 `[n]` in 0..size − 1.

        `count` (int64 `[n]`, 0 to 2^31 − 1): each so many times. Raises `ValueError` for other values and counts.
        """
        if not np.isfinite(values).all():
            raise ValueError("exact sums take finite numbers only")
        if count is not None and np.any((count < 0) | (count >= 2**31)):
            raise ValueError("a row can be counted at most 2^31 - 1 times")
        total = [0] * size
        for start in range(0, len(values), _BLOCK):
            block = slice(start, start + _BLOCK)
            for piece in (values[block],) if count is None else _multiplied(values[block], count[block]):
                _add_block(total, codes[block], piece, size)
        return cls(tuple(total))

    def __add__(self, other: ExactSums) -> ExactSums:
        """The sums of both, one by one; both have as many."""
        return ExactSums(tuple(a + b for a, b in zip(self.total, other.total, strict=True)))

    def spread(self, place: IntArray, size: int) -> ExactSums:
        """The same sums at other places (`[K]`, all different) among `size`; 0 elsewhere."""
        total = [0] * size
        for at, value in zip(place.tolist(), self.total, strict=True):
            total[at] = value
        return ExactSums(tuple(total))

    def values(self) -> FloatArray:
        """The nearest float64 of each sum, `[K]`."""
        return np.array([total / (1 << _POINT) for total in self.total], dtype=np.float64)


def _multiplied(values: FloatArray, count: IntArray) -> list[FloatArray]:
    """Numbers that add up to values · count without rounding: the mantissa in parts of 22 bits, a count has 31."""
    rest, exponent = np.frexp(values)
    parts = []
    for bits in (22, 44, 53):
        part = np.ldexp(np.trunc(np.ldexp(rest, bits)), -bits)
        parts.append(np.ldexp(part * count, exponent))
        rest = rest - part
    return parts


def _add_block(total: list[int], codes: IntArray, values: FloatArray, size: int) -> None:
    """Adds one block of numbers: each is a mantissa of 53 bits, cut into limbs of 32 bits at its place."""
    mantissa, exponent = np.frexp(values)
    whole = np.abs(np.ldexp(mantissa, 53)).astype(np.int64)
    sign = np.sign(values)
    place = exponent.astype(np.int64) - 53 + _POINT
    limb, shift = place >> 5, place & np.int64(31)
    low, high = (whole & _MASK) << shift, (whole >> _LIMB) << shift
    pieces = (low & _MASK, (low >> _LIMB) + (high & _MASK), high >> _LIMB)
    first = int(limb.min())
    width = int(limb.max()) - first + 3
    cell = codes * width + (limb - first)
    for up, piece in enumerate(pieces):
        found = np.bincount(cell + up, weights=sign * piece, minlength=size * width)
        for at in np.flatnonzero(found).tolist():
            total[at // width] += int(found[at]) << (32 * (first + at % width))


def aligned(first: Sequence[str], second: Sequence[str]) -> tuple[tuple[str, ...], IntArray, IntArray]:
    """All names of both, sorted, and where those of each stand among them."""
    names = tuple(sorted({*first, *second}))
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[n] for n in first], dtype=np.int64), np.array([place[n] for n in second], np.int64)


def ordered(names: Sequence[str]) -> tuple[tuple[str, ...], IntArray]:
    """Names sorted, and the place of each among them. Raises `ValueError` for a name that stands there twice."""
    unique = tuple(sorted(set(names)))
    if len(unique) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise ValueError(f"the name {twice!r} stands there twice")
    return unique, np.searchsorted(np.array(unique, dtype=object), np.array(names, dtype=object)).astype(np.int64)


def digest_of(kind: str, names: Sequence[Sequence[str]], *parts: npt.NDArray[np.int64] | ExactSums | int) -> str:
    """SHA-256 of a state in one canonical form, hexadecimal: its kind, its names, its numbers and their shapes."""
    state = hashlib.sha256()

    def feed(piece: bytes) -> None:
        state.update(len(piece).to_bytes(8, "little") + piece)

    feed(json.dumps([kind, [list(one) for one in names]], ensure_ascii=True, separators=(",", ":")).encode())
    for part in parts:
        if isinstance(part, np.ndarray):
            feed(json.dumps(part.shape).encode())
            feed(np.ascontiguousarray(part, dtype="<i8").tobytes())
        else:
            feed(json.dumps(list(part.total) if isinstance(part, ExactSums) else part).encode())
    return state.hexdigest()

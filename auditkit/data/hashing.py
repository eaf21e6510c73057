"""Stable 64-bit hashes of cells and rows: the same values hash the same from any file type, dtype or column order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from auditkit.core.types import FloatArray
from auditkit.data.decode import Coded

HashArray = npt.NDArray[np.uint64]

_MISSING = np.uint64(0x9AE16A3B2F90404F)
_ONE, _TWO, _GOLDEN = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0x9E3779B97F4A7C15)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


def mixed(values: HashArray) -> HashArray:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators",
    section 3): a bijection of 64-bit words whose output bits each depend on all input bits."""
    values = values + _GOLDEN
    values = (values ^ (values >> _S30)) * _ONE
    values = (values ^ (values >> _S27)) * _TWO
    return values ^ (values >> _S31)


def text_hash(text: str) -> int:
    """BLAKE2b of a text's UTF-8, cut to 64 bits."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def hash_numbers(values: FloatArray) -> HashArray:
    """Hashes of float64 cells `[n]`: every NaN alike, -0.0 as 0.0."""
    canonical = np.where(values == 0.0, 0.0, values).astype(np.float64)
    return np.where(np.isnan(values), _MISSING, mixed(canonical.view(np.uint64)))


def hash_texts(values: Coded) -> HashArray:
    """Hashes of text cells `[n]`, each distinct text hashed once; a missing cell hashes as a missing number does."""
    of_text = np.array([*(text_hash(text) for text in values.texts.tolist()), int(_MISSING)], dtype=np.uint64)
    return of_text[values.codes]


def combined(columns: Mapping[str, HashArray], rows: int) -> HashArray:
    """One hash a row `[rows]` from the hashes of its cells, whatever the order of the columns."""
    total = np.zeros(rows, dtype=np.uint64)
    for name in sorted(columns):
        total = mixed(total ^ (columns[name] + np.uint64(text_hash(name))))
    return total

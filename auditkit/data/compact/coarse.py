"""Numbers rounded to a few binary digits, so that a column holds few distinct ones however long it is."""

from __future__ import annotations

import numpy as np

from auditkit.core.types import FloatArray, IntArray

_MANTISSA = 52


def rounded(values: FloatArray, bits: int) -> FloatArray:
    """`values` (float64 `[n]`) rounded to `bits` binary digits after the leading one.

    The relative error is at most 2^-(bits+1), and 0 for whole numbers below 2^bits; zeros, infinities and NaN stay.
    """
    whole = np.asarray(values, dtype=np.float64) + 0.0  # -0.0 becomes 0.0
    shift = _MANTISSA - bits
    raw = whole.view(np.int64)
    near = ((raw + (1 << (shift - 1))) >> shift) << shift
    return np.where(np.isfinite(whole), near.view(np.float64), whole)


def rounded_scores(values: FloatArray, bits: int, threshold: float | None = None) -> FloatArray:
    """Probabilities rounded so that p and 1 − p both keep `bits` binary digits.

    The log loss of a row moves by at most about 2^-(bits+1) nats, its Brier score by at most half of that. With
    `threshold`, a score stays on its side of it. What lies outside 0..1 stays outside.
    """
    upper = values > 0.5
    near = rounded(np.where(upper, 1.0 - values, values), bits)
    found = np.where(upper, 1.0 - near, near)
    if threshold is None:
        return found
    below = values < threshold
    step = np.abs(threshold) * 2.0**-bits
    crossed_up, crossed_down = below & (found >= threshold), ~below & (found < threshold)
    return np.where(crossed_up, threshold - step / 2, np.where(crossed_down, threshold, found))


def bucket(hashes: IntArray, buckets: int) -> IntArray:
    """One of `buckets` (a power of two) for each hash: clusters put together at random are independent units still."""
    return np.asarray(hashes & np.int64(buckets - 1), dtype=np.int64)

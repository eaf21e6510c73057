"""The exact bootstrap from counts, for quantities that are no ratio of sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.types import FloatArray, IntArray

#: More replicates × cells than this are not drawn at once, nor at all.
_MOST_CELLS = 20_000_000
#: So many undefined replicates are tolerated.
_UNDEFINED = 0.01


def from_counts(
    counts: IntArray,
    statistic: Callable[[FloatArray], FloatArray],
    confidence: float = 0.95,
    replicates: int = 10_000,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Percentile interval (Efron 1979) of `statistic` over resampled rows, from the counts of K cells alone.

    Drawing n rows with replacement is one multinomial draw over the cells that the rows fall into (rows of one cell are
    alike to the statistic), so 10,000 replicates cost O(K × replicates) whatever n is. `counts`: int64 `[K]`.
    `statistic` maps counts `[R, K]` to values `[R]`, NaN where undefined. Without `rng` a fixed generator is used.
    Where no replicate differs (all rows right, say), two pseudo-rows are spread over the empty cells, as in Agresti and
    Coull (1998), so that the interval never has zero width. No value where the statistic is undefined; no interval
    where more than 1% of the replicates are.
    """
    n = int(counts.sum())
    value = float(statistic(counts[None].astype(np.float64))[0]) if n else np.nan
    if not np.isfinite(value):
        return Estimate.undefined("the statistic does not exist for these counts", n)
    method = f"multinomial bootstrap, percentile, {replicates:,} replicates"
    generator = np.random.default_rng(7) if rng is None else rng
    cells = np.flatnonzero(counts)
    drawn = _replicate(counts, cells, counts[cells] / n, statistic, replicates, generator)
    known = drawn[np.isfinite(drawn)]
    if len(known) and np.ptp(known) <= 1e-12:
        empty = np.flatnonzero(counts == 0)
        if not len(empty):
            return Estimate(value, method=method, n=n, reason="no resampling of the rows changes the value")
        share = np.concatenate([counts[cells], np.full(len(empty), 2 / len(empty))]) / (n + 2)
        cells, method = np.concatenate([cells, empty]), method + ", two pseudo-rows"
        drawn = _replicate(counts, cells, share, statistic, replicates, generator)
        known = drawn[np.isfinite(drawn)]
    if len(known) < (1 - _UNDEFINED) * len(drawn):
        missing = 100 * (1 - len(known) / len(drawn))
        return Estimate(value, method=method, n=n, reason=f"it does not exist in {missing:.0f}% of the resamples")
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    if not min(low, value) < max(high, value):
        return Estimate(value, method=method, n=n, reason="no resampling of the rows changes the value")
    return Estimate(value, float(low), float(high), confidence, method, n)


def _replicate(
    counts: IntArray,
    cells: IntArray,
    share: FloatArray,
    statistic: Callable[[FloatArray], FloatArray],
    replicates: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Values of the statistic over `replicates` draws; only cells that can be drawn are."""
    n, width = int(counts.sum()), len(counts)
    step = max(1, min(replicates, _MOST_CELLS // width))
    parts = []
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        full = np.zeros((size, width))
        full[:, cells] = rng.multinomial(n, share / share.sum(), size=size)
        parts.append(statistic(full))
    return np.concatenate(parts)

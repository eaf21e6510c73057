"""The exact bootstrap from counts, for quantities that are no ratio of sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.resample import draw, draw_shares, tails

#: More replicates × cells than this are not drawn at once, nor at all.
_MOST_CELLS = 20_000_000
#: So many undefined replicates are tolerated.
_UNDEFINED = 0.01
#: With fewer rows in a cell, resampling can't show what the cell might have held.
_FEW_IN_CELL = 10


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
    Where a cell has fewer than 10 rows, the limits are those of Jeffreys' posterior of the cells instead
    (`resample.draw_shares`), which has width even where all rows are right: of a 2 × 2 table of 100 rows with two in a
    cell, percentile limits of Matthews' correlation cover 67%, these 92%. `statistic` must then depend on the shares of
    the cells alone. No value where the statistic is undefined; no interval where more than 1% of the replicates are.
    """
    n = int(counts.sum())
    value = float(statistic(counts[None].astype(np.float64))[0]) if n else np.nan
    if not np.isfinite(value):
        return Estimate.undefined("the statistic does not exist for these counts", n)
    method = f"multinomial bootstrap, percentile, {replicates:,} replicates"
    generator = np.random.default_rng(7) if rng is None else rng
    drawn = _replicate(counts, statistic, replicates, generator)
    missing = float(np.mean(~np.isfinite(drawn)))
    if missing > _UNDEFINED:
        return Estimate(value, method=method, n=n, reason=f"it does not exist in {100 * missing:.0f}% of the resamples")
    if int(counts.min()) < _FEW_IN_CELL:
        method = f"Jeffreys' posterior, {replicates:,} draws"
        drawn = _posterior(counts, statistic, replicates, generator)
    low, high, _ = (float(x) for x in tails(np.where(np.isfinite(drawn), drawn, np.nan), confidence))
    if not min(low, value) < max(high, value):
        return Estimate(value, method=method, n=n, reason="no resampling of the rows changes the value")
    return Estimate(value, low, high, confidence, method, n)


def _replicate(
    counts: IntArray, statistic: Callable[[FloatArray], FloatArray], replicates: int, rng: np.random.Generator
) -> FloatArray:
    """Values of the statistic over `replicates` resamples."""
    step = max(1, min(replicates, _MOST_CELLS // len(counts)))
    sizes = [min(step, replicates - at) for at in range(0, replicates, step)]
    return np.concatenate([statistic(draw(counts[None], size, rng=rng)[0].T) for size in sizes])


def _posterior(
    counts: IntArray, statistic: Callable[[FloatArray], FloatArray], replicates: int, rng: np.random.Generator
) -> FloatArray:
    """Values of the statistic over draws of the cells' shares, scaled to the number of rows."""
    step = max(1, min(replicates, _MOST_CELLS // len(counts)))
    sizes = [min(step, replicates - at) for at in range(0, replicates, step)]
    n = float(counts.sum())
    return np.concatenate([statistic(n * draw_shares(counts, size, rng=rng).T) for size in sizes])

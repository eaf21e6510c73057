"""Which groups have findings of their own where there are very many: those that are furthest out, and those asked for.

A finding for each of thousands of groups, by each of ten metrics, is a hundred thousand findings that nobody reads. The
tables hold every group with its intervals; findings speak of the ends, and of every group where a gate names the
metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.types import FloatArray, IntArray

#: Up to so many groups each has findings of its own.
MOST_TOLD = 200
#: With more, so many at each end of every metric have.
_ENDS = 8
#: And so many of the smallest groups, which say why something is undecided.
_SMALLEST = 5


def values_of(estimates: Sequence[Estimate]) -> FloatArray:
    """The values, `[G]`, NaN where there is none."""
    return np.array([np.nan if one.value is None else one.value for one in estimates], dtype=np.float64)


def furthest(metrics: Iterable[FloatArray], sizes: IntArray) -> IntArray:
    """The places of the groups that are told of, ascending: both ends of each of `metrics` (`[G]` each, NaN where a
    group has no value), and the smallest of those with rows; all of them up to `MOST_TOLD` groups."""
    if len(sizes) <= MOST_TOLD:
        return np.arange(len(sizes))
    told = [_lowest(np.where(sizes > 0, sizes, np.nan), _SMALLEST)]
    for values in metrics:
        told += [_lowest(values, _ENDS), _lowest(-values, _ENDS)]
    return np.unique(np.concatenate(told))


def _lowest(values: FloatArray, most: int) -> IntArray:
    order = np.argsort(values, kind="stable")  # NaN comes last
    return order[: min(most, int(np.count_nonzero(~np.isnan(values))))].astype(np.int64)

"""Clusters with rows in several groups: how far the errors of the groups may run against one another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auditkit.core.design import Design
from auditkit.core.task import RowStatistic
from auditkit.core.types import BoolArray, FloatArray, IntArray
from auditkit.measures.moments import Moments, sums, whole_weight

#: With more groups than this not every pair is looked at: they are taken to run against one another wholly.
_MOST = 1000


def opposed(found: Moments, stat: RowStatistic, codes: IntArray, design: Design) -> Moments:
    """`found` (the moments of `stat` in G groups) for comparing groups with one another.

    Where clusters have rows in several groups, the groups' values hang together. Mostly they rise and fall together,
    and taking them as independent only makes the interval of a difference or ratio too wide. Where they run against one
    another (one vacancy, for which applicants of all groups compete) it would be too narrow. A difference has the
    variance v + v' − 2 r √(v v') ≤ (1 + ρ)(v + v'), ρ = max(0, −r), so the variance of each group is multiplied by
    1 + ρ, with the largest ρ of its pairs; r is the correlation of the cluster totals of the linearised values
    (Binder 1983, Int. Stat. Rev. 51).
    """
    if design.cluster is None or len(found.value) < 2:
        return found
    factor = 1 + _against(found.variance > 0, stat, codes, design)
    if (factor == 1).all():
        return found
    return replace(
        found,
        variance=found.variance * factor,
        effective=found.effective / factor,
        units=np.maximum(found.units / factor, np.minimum(found.units, 1.0)),
    )


def _against(varies: BoolArray, stat: RowStatistic, codes: IntArray, design: Design) -> FloatArray:
    """The largest −r of each group with any other, `[G]`; 0 where no cluster is shared. `varies` `[G]`: what is left of
    the spread of other groups is round-off."""
    assert design.cluster is not None
    groups = len(varies)
    rows = np.flatnonzero(stat.counts if design.weight is None else stat.counts & (design.weight > 0))
    group, weight = codes[rows], whole_weight(design.where(rows), len(rows))
    values = stat.numerator[rows]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = sums(group, weight * values, groups) / sums(group, weight, groups)
        influence = weight * (values - mean[group])
    _, cluster = np.unique(design.cluster[rows], return_inverse=True)
    keys, unit = np.unique(cluster * groups + group, return_inverse=True)
    of_cluster, of_group, total = keys // groups, keys % groups, sums(unit, influence, len(keys))
    if not np.any(of_cluster[1:] == of_cluster[:-1]):
        return np.zeros(groups)
    if groups > _MOST:
        return np.ones(groups)
    together = np.zeros(groups * groups)
    for shift in range(1, groups):
        same = of_cluster[shift:] == of_cluster[:-shift]
        if not same.any():
            break
        first, second = of_group[:-shift][same], of_group[shift:][same]
        together += sums(first * groups + second, (total[:-shift] * total[shift:])[same], groups * groups)
    # Units of a cluster are sorted by group, so that each pair stands in one triangle.
    both = together.reshape(groups, groups)
    spread = np.sqrt(sums(of_group, total**2, groups))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (both + both.T) / (spread[:, None] * spread)
    r = np.where(varies[:, None] & varies & np.isfinite(r), r, 0.0)
    return np.asarray(np.clip(-r.min(axis=1), 0.0, 1.0), dtype=np.float64)

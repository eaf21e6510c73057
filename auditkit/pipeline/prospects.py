"""What it would take to decide a gate: the groups behind a gap, and the rows that each of them would need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from auditkit.core.estimate import Estimate
from auditkit.core.finding import Bounds, Finding, Form
from auditkit.core.types import FloatArray
from auditkit.measures.intervals import mover_difference, mover_ratio, range_quantile, split_confidence, wilson
from auditkit.measures.power import rows_needed, rows_to_decide
from auditkit.tasks.rates import NAMED_GAPS

_DEFAULT_CONFIDENCE = 0.95
#: Methods of intervals that rest on whole rows of equal weight: only there does a number of rows tell the width.
_PLAIN = ("Wilson", "Clopper-Pearson")
#: Split, attribute, class, rate.
_Key = tuple[str | None, str | None, str | None, str]


@dataclass(frozen=True)
class Pair:
    """What stands behind a gap: the rate that makes it, in every group; `high` and `low` are the two furthest apart.

    `confidence`: what each of several rates has of the gap's own confidence.
    """

    rate: str
    high: Finding
    low: Finding
    groups: tuple[Finding, ...]
    form: Form
    confidence: float

    @property
    def plain(self) -> bool:
        """Whether the rate is a share of whole rows in every group, so that rows can be told from it."""
        return all(f.value is not None and f.n and f.method in _PLAIN for f in self.groups)

    @property
    def share(self) -> bool:
        """Whether the rate is a share, whatever the weights."""
        return all((f.method or "").startswith(_PLAIN) for f in (self.high, self.low))

    @property
    def smallest(self) -> Finding:
        """The group with the fewest rows behind its rate."""
        return min(self.groups, key=lambda f: f.n or 0)

    def possible(self, bounds: Bounds) -> bool:
        """Whether groups of these sizes that are all alike would pass: whether the gate asks for what can be shown."""
        sizes = np.array([f.n or 0 for f in self.groups], dtype=np.float64)
        values = np.array([f.value or 0.0 for f in self.groups])
        pooled = float(np.average(values, weights=sizes))
        first, second = np.sort(sizes)[:2]
        return self._passes(pooled, pooled, float(first), float(second), bounds)

    def rows(self, bounds: Bounds) -> int | None:
        """Rows behind the rate of each group with which four of five samples would decide the gate at these rates; None
        where no number of rows does it, or none that anyone could collect."""
        assert self.high.value is not None
        assert self.low.value is not None
        return self._rows(self.high.value, self.low.value, bounds)

    def rows_if_alike(self, bounds: Bounds) -> int | None:
        """The same, for groups that are all alike."""
        sizes = [f.n or 0 for f in self.groups]
        pooled = float(np.average([f.value or 0.0 for f in self.groups], weights=sizes))
        return self._rows(pooled, pooled, bounds)

    def _rows(self, high: float, low: float, bounds: Bounds) -> int | None:
        bound = bounds.max if self.form == "difference" else bounds.min
        if bound is None or (self.form == "ratio" and high <= 0):
            return None
        return rows_needed(high, low, bound, len(self.groups), self.confidence, form=self.form)

    def _limits(self, high: float, low: float, high_rows: float, low_rows: float) -> tuple[float, float]:
        z = range_quantile(self.confidence, len(self.groups))
        one, other = np.array([high]), np.array([low])
        above, below = wilson(one, np.array([high_rows]), z), wilson(other, np.array([low_rows]), z)
        ends: tuple[FloatArray, FloatArray]
        ends = (
            mover_difference(one, above, other, below)
            if self.form == "difference"
            else mover_ratio(other, below, one, above)
        )
        return float(ends[0][0]), float(ends[1][0])

    def _passes(self, high: float, low: float, first: float, second: float, bounds: Bounds) -> bool:
        least, most = self._limits(high, low, first, second)
        if self.form == "difference":
            # Which of two alike groups is the higher one is chance, so that the wider side counts.
            return bounds.max is None or max(most, -least if high == low else most) <= bounds.max
        return bounds.min is None or least >= bounds.min


class GroupRates:
    """The rates of single groups among the findings, to look up what stands behind a gap."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        """`findings`: all of an audit's; those on single groups without a gate are kept."""
        self._rates: dict[_Key, dict[str, Finding]] = {}
        self._remedies: dict[tuple[str | None, str | None], str] = {}
        for f in findings:
            scope = f.scope
            if f.gate is not None or scope.attribute is None:
                continue
            if scope.compared is None and scope.groups is not None and len(scope.groups) == 1:
                key = (scope.split, scope.attribute, scope.class_, f.metric)
                self._rates.setdefault(key, {}).setdefault(scope.groups[0], f)
            elif f.metric == "groups_found" and f.remedy:
                self._remedies[scope.split, scope.attribute] = f.remedy

    def pair(self, gap: Finding) -> Pair | None:
        """What stands behind a gap; None where its rates are not among the findings, or it is no gap of rates."""
        scope = gap.scope
        stem, _, last = gap.metric.rpartition("_")
        form: Form | None = "difference" if last == "difference" else "ratio" if last == "ratio" else None
        if gap.value is None or form is None or len(scope.groups or ()) != 2 or len(scope.compared or ()) < 2:
            return None
        names = NAMED_GAPS.get(stem, (stem,))
        confidence = split_confidence(gap.confidence or _DEFAULT_CONFIDENCE, len(names))
        for name in names:
            rates = self._of(gap, name)
            high, low = (rates.get(group) for group in scope.groups or ())
            if high is not None and low is not None and _makes(gap.value, form, high.value, low.value):
                groups = tuple(rates[g] for g in scope.compared or () if g in rates)
                return Pair(name, high, low, groups, form, confidence)
        return None

    def small(self, finding: Finding) -> list[tuple[str, Finding]]:
        """The groups with too few rows behind a gap's rates, each with the rate's name."""
        stem = finding.metric.rpartition("_")[0]
        names = NAMED_GAPS.get(stem, (stem,))
        return [
            (name, f)
            for name in names
            for f in self._of(finding, name).values()
            if f.value is not None and not f.sufficient
        ]

    def remedy(self, finding: Finding) -> str | None:
        """What the check says is wrong with the attribute itself (it names rows rather than groups)."""
        return self._remedies.get((finding.scope.split, finding.scope.attribute))

    def groups_of(self, split: str | None, attribute: str | None) -> Mapping[str, Finding]:
        """The groups of an attribute that have a finding of their own."""
        return {
            group: f
            for (s, a, _, _), rates in self._rates.items()
            if (s, a) == (split, attribute)
            for group, f in rates.items()
        }

    def _of(self, gap: Finding, name: str) -> dict[str, Finding]:
        return self._rates.get((gap.scope.split, gap.scope.attribute, gap.scope.class_, name), {})


def _makes(value: float, form: str, high: float | None, low: float | None) -> bool:
    """Whether these two rates make that gap."""
    if high is None or low is None or (form == "ratio" and high == 0):
        return False
    return abs((high - low if form == "difference" else low / high) - value) <= 1e-9 * max(1.0, abs(value))


def rows_at_this_value(finding: Finding, bounds: Bounds) -> int | None:
    """Rows behind a finding with which its interval would no longer straddle a bound, at this value; None where no
    number does."""
    assert finding.value is not None
    assert finding.interval is not None
    low, high = finding.interval
    estimate = Estimate(value=finding.value, low=low, high=high, n=finding.n or 0)
    crossed = [bound for bound in (bounds.max, bounds.min) if bound is not None and low <= bound <= high]
    needed = [rows_to_decide(estimate, bound) for bound in crossed]
    known = [rows for rows in needed if rows is not None]
    return max(known) if known and len(known) == len(needed) else None

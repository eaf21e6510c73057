"""What one rate of one combination of attributes shows, as numbers and as words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from auditkit.checks.bias.subgroups import Combination, Compared, Part
from auditkit.checks.glossary import meaning
from auditkit.checks.reading import is_share
from auditkit.checks.texts import amount, change, count, listed, name_of, sentence
from auditkit.core.estimate import Estimate
from auditkit.core.finding import Scope
from auditkit.core.outcomes import Groups
from auditkit.core.task import RowStatistic
from auditkit.measures.intervals import Limits, normal_quantile, range_quantile, split_confidence
from auditkit.measures.moments import TOO_LARGE
from auditkit.measures.subgroups import extreme, widest_gap


@dataclass(frozen=True)
class Wording:
    """One rate over the supported subgroups (at least one) of one combination; `say` gives the check's texts."""

    say: Callable[..., str]
    one: Combination
    groups: Groups
    compared: Compared
    confidence: float
    least: int

    @property
    def statistic(self) -> RowStatistic:
        """The rate."""
        return self.compared.statistic

    @property
    def share(self) -> bool:
        """Whether it reads as a percentage."""
        return is_share(self.statistic)

    @property
    def complete(self) -> bool:
        """Whether every subgroup is supported: only then can a gate pass."""
        return bool(self.compared.supported.all())

    @property
    def few(self) -> str | None:
        """Which subgroups are not, in one sentence."""
        if self.complete:
            return None
        missing = int(np.count_nonzero(~self.compared.supported))
        words = {"few": f"{missing:,}", "all": count(len(self.compared.supported), "subgroup"), "least": self.least}
        return self.say("few", what=self.statistic.empty, has="has" if missing == 1 else "have", **words)

    def scope(self, named: tuple[str, ...], *, all_of_them: bool = False) -> Scope:
        """What the finding is about; which groups it names is left to the data, and no part of its identity.

        Of thousands of subgroups only a gap lists all, and where one stands out, it alone.
        """
        every = tuple(self.groups.labels[g] for g in self.compared.at) if all_of_them else named
        split, attribute = self.one.split, self.one.attribute
        return Scope(split=split, attribute=attribute, groups=named, compared=every, class_=self.statistic.class_)

    def gap(self) -> tuple[Estimate, str, str]:
        """The largest difference between two supported subgroups, and which they are."""
        at, own = self.compared.at, self.compared.found.own
        values = own.value[at]
        high, low = int(at[np.argmax(values)]), int(at[np.argmin(values)])
        pair = (self.groups.labels[high], self.groups.labels[low])
        n = int(own.n[at].sum())
        if len(at) < 2:
            words = {"attribute": self.one.attribute, "least": self.least, "what": self.statistic.empty}
            return Estimate.undefined(self.say("none", **words), n), *pair
        limits = widest_gap(own.take(at), self.share, range_quantile(self.confidence, len(at)))
        method = "simultaneous Newcombe" if self.share else "simultaneous Welch t"
        return self._estimate(float(values.max()) - float(values.min()), limits, method, n), *pair

    def furthest(self) -> tuple[Estimate, str]:
        """The subgroup furthest on the worse side of the rest, and how far; the interval holds for all together."""
        at = self.compared.at
        limits = self.compared.distance_limits(at, self._each(), self._within)
        which, low, high = extreme(self.compared.distance()[at], limits, "most")
        method = "simultaneous MOVER, Clopper-Pearson" if self.share else "simultaneous Welch t"
        group = int(at[which])
        n = int(self.compared.found.own.n[group] + self.compared.found.rest.n[group])
        value = float(self.compared.distance()[group])
        return self._estimate(value, (low, high), method, n), self.groups.labels[group]

    def worst(self) -> tuple[Estimate, str]:
        """The rate of the subgroup that fares worst; the interval holds for the true worst of them."""
        at = self.compared.at
        limits, values = self._within, self.compared.found.own.value[at]
        which, low, high = extreme(values, limits, "least" if self.compared.side == "below" else "most")
        if (self.statistic.numerator >= 0).all():
            low = max(0.0, low)
        method = "simultaneous Clopper-Pearson" if self.share else "simultaneous Student t"
        group = int(at[which])
        n = int(self.compared.found.own.n[group])
        return self._estimate(float(values[which]), (low, high), method, n), self.groups.labels[group]

    @cached_property
    def _within(self) -> Limits:
        """Limits of the rate in each supported subgroup, for all together."""
        return self.compared.found.take(self.compared.at).within(normal_quantile(self._each()))

    def _each(self) -> float:
        return split_confidence(self.confidence, len(self.compared.at))

    def _estimate(self, value: float, limits: tuple[float, float] | None, method: str, n: int) -> Estimate:
        if not np.isfinite(value):
            return Estimate.undefined(f"{self.statistic.name}: {TOO_LARGE}", n)
        if limits is None or not (limits[0] < limits[1] and np.isfinite(limits[1] - limits[0])):
            why = self.say("no_spread", metric=self.statistic.name)
            return Estimate(value, method=method, n=n, reason=why)
        return Estimate(value, *limits, self.confidence, method, n, reason=self.few)

    def title(self, key: str, group: str, value: str) -> str:
        """The title of what one subgroup stands for."""
        metric = name_of(self.statistic.name, self.statistic.class_)
        metric = sentence(metric) if key.startswith("rest") else metric
        where = {"attribute": self.one.attribute, "split": self.one.split}
        return self.say(key, metric=metric, group=group, value=value, **where)

    def gap_title(self, found: Estimate, highest: str, lowest: str) -> str:
        """The title of the gap."""
        name = sentence(name_of(f"{self.statistic.name}_difference", self.statistic.class_))
        words = {"metric": name, "attribute": self.one.attribute, "split": self.one.split}
        if found.value is None:
            return self.say("undefined", **words)
        return self.say("gap", value=change(found, share=self.share), highest=highest, lowest=lowest, **words)

    def explained(self, key: str) -> str:
        """What the number is, and how many subgroups it rests on."""
        every = f"{len(self.compared.supported):,}"
        told = [meaning(self.statistic.name, self.statistic.class_)]
        told.append(self.say(key, supported=f"{len(self.compared.at):,}", all=every))
        told += [] if self.few is None else [sentence(self.few) + "."]
        return " ".join(text for text in told if text)

    def inside_and_outside(self, group: int) -> str:
        """A subgroup with its rate, its rows, and the rate of all others."""
        found = self.compared.found
        inside, outside = (amount(float(m.value[group]), share=self.share) for m in (found.own, found.rest))
        key = "one" if self.share else "one_mean"
        rows = count(int(found.own.n[group]))
        return self.say(key, group=self.groups.labels[group], value=inside, rows=rows, rest=outside)

    def parts(self, group: str, parts: Sequence[Part]) -> str:
        """Whether fewer attributes explain a subgroup: those whose other rows fare about as badly."""
        explain = [part for part in parts if not part.worse]
        told = ", ".join(self._part(part) for part in explain or parts)
        return self.say("explained" if explain else "alone", group=group, parts=told)

    def _part(self, part: Part) -> str:
        value = self.say("no_others") if part.value is None else amount(part.value, share=self.share)
        return self.say("part", attribute=part.attribute, label=part.label, value=value)

    def affected(self, groups: Sequence[str], at: Sequence[int]) -> str:
        """Who is affected: the subgroups beyond the tolerance, and how many rows that is."""
        rows = int(self.groups.sizes()[list(at)].sum())
        words = {"attribute": self.one.attribute, "split": self.one.split}
        return self.say("affected", groups=listed(groups), rows=count(rows), **words)

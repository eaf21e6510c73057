"""The findings of `bias.data` on who is there: shares of groups, beside a population and beside the training rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from auditkit.checks.bias.composition import Composition
from auditkit.checks.bias.data_claims import Key, Tolerances, comparable
from auditkit.checks.bias.data_texts import table_of_groups
from auditkit.checks.bias.representation import AgainstPopulation, share_change, smallest_share
from auditkit.checks.reading import TRAIN
from auditkit.checks.texts import change, count, sentence, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number, percent, points
from auditkit.core.types import Better, Status
from auditkit.measures.intervals import normal_quantile, proportion_limits
from auditkit.measures.moments import Moments

_RATIO = "representation_ratio"


@dataclass(frozen=True)
class ShareFindings:
    """Findings on one attribute of one split; `train` is the same on the training rows where this is another split."""

    check: Check
    one: Composition
    population: AgainstPopulation | None
    train: Composition | None
    warned: Collection[Key]
    tolerances: Tolerances

    def all(self) -> list[Finding]:
        """Missing values, the smallest group, each group, the population, and what changed from the training rows."""
        found = [self._missing(), self._smallest()]
        if not self.one.names_rows:
            found += self._of_groups()
        if self.one.population:
            found += self._against_population()
        return found if self.train is None else [*found, self._changed(self.train)]

    def _say(self, key: str, **words: object) -> str:
        return self.check.say(key, **{"attribute": self.one.attribute, "split": self.one.split, **words})

    def _why_not(self, one: Composition) -> str | None:
        """Why the shares of an attribute say nothing."""
        if one.names_rows:
            return self._say("idlike", groups=f"{len(one.groups.labels):,}", rows=count(one.outcomes.rows))
        return None if comparable(one) else self._say("no_rows", split=one.split)

    def _finding(self, metric: str, found: Estimate, title: str, *, named: str | None = None, **more: Any) -> Finding:
        """A finding on the attribute; where one group stands out, which one is no part of its identity."""
        groups = None if named is None else (named,)
        scope = Scope(split=self.one.split, attribute=self.one.attribute, groups=groups, compared=groups)
        return self.check.finding(metric, scope, found, title=title, **more)

    def _undefined(self, metric: str, reason: str, better: Better) -> Finding:
        title = self._say("undefined", metric=sentence(metric.replace("_", " ")))
        return self._finding(metric, Estimate.undefined(reason), title, better=better, sufficient=False)

    def _missing(self) -> Finding:
        found = self.one.missing()
        explained = self._say("missing_why") if found.value else ""
        title = self._say("missing", value=span(found, share=True))
        return self._finding("missing_group_rate", found, title, explanation=explained, better=Better.LOWER)

    def _smallest(self) -> Finding:
        why = self._why_not(self.one)
        if why is not None:
            return self._undefined("smallest_group_share", why, Better.HIGHER)
        found, group = smallest_share(self.one, self.one.shares())
        return self._finding(
            "smallest_group_share",
            found,
            self._say("smallest", group=group, value=span(found, share=True)),
            named=group,
            explanation=self._say("smallest_why"),
            better=Better.HIGHER,
            tables=table_of_groups(self.one, self.population),
        )

    def _of_groups(self) -> list[Finding]:
        """The share of each group, with as many rows behind it as the group has."""
        one, sizes = self.one, self.one.groups.sizes()
        shares = one.shares()
        found = []
        for at in one.told_by("group_share"):
            value = self._share(shares, at, int(sizes[at]), 1.0) if sizes[at] else None
            found.append(self._of_group("group_share", one.groups.labels[at], value, share=True))
        return found

    def _share(self, shares: Moments, at: int, rows: int, of: float) -> Estimate | None:
        """The share of one group over `of`, None where it has no value."""
        one = shares.take(np.array([at]))
        if not one.defined[0]:
            return None
        z = normal_quantile(self.one.confidence)
        (low, high), method = proportion_limits(one.value, one.effective_at(z), z)
        ends = (float(low[0]) / of, float(high[0]) / of)
        method = method if one.plain else f"{method}, effective rows"
        return Estimate(float(one.value[0]) / of, *ends, self.one.confidence, method, rows)

    def _of_group(self, metric: str, group: str, found: Estimate | None, *, share: bool, why: str = "empty") -> Finding:
        value = Estimate.undefined(self._say(why, group=group)) if found is None else found
        words = {"metric": sentence(metric.replace("_", " ")), "group": group, "value": span(value, share=share)}
        population = percent(self.one.population.get(group, 0.0))
        return self.check.finding(
            metric,
            Scope(split=self.one.split, attribute=self.one.attribute, groups=(group,)),
            value,
            title=self._say("group", **words),
            explanation="" if found is None else self._say(f"{metric}_why", population=population),
            sufficient=value.n >= self.one.least,
        )

    def _against_population(self) -> list[Finding]:
        found, better = self.population, (Better.HIGHER, Better.LOWER)
        if found is None:
            why = self._why_not(self.one) or self._say("no_match")
            names = ("lowest_representation_ratio", "representation_difference")
            return [self._undefined(name, why, side) for name, side in zip(names, better, strict=True)]
        return [self._lowest(found), self._furthest(found), *self._ratios(found)]

    def _ratios(self, found: AgainstPopulation) -> list[Finding]:
        made, labels = [], self.one.groups.labels
        told = {labels[at] for at in self.one.told_by(_RATIO)}
        for at, (group, rows) in enumerate(zip(found.groups, found.rows, strict=True)):
            if group in labels and group not in told:
                continue
            value = self._share(found.shares, at, int(rows), float(found.population[at])) if rows else None
            made.append(self._of_group(_RATIO, group, value, share=False))
        others = [group for group in labels if group in told and group not in found.groups]
        return made + [self._of_group(_RATIO, g, None, share=False, why="no_share") for g in others]

    def _lowest(self, found: AgainstPopulation) -> Finding:
        value, group = found.lowest(self.one.confidence)
        warned = (self.one.split, self.one.attribute, "lowest_representation_ratio", None) in self.warned
        told = [self._say("lowest_why"), self._fit(found)]
        if warned:
            source = self._say("under" if self.tolerances.ratio == self._default("ratio_tolerance") else "declared")
            told.append(self._say("beyond", bound=number(self.tolerances.ratio), source=source))
        return self._finding(
            "lowest_representation_ratio",
            value,
            self._say("lowest", group=group, value=span(value, share=True)),
            named=group,
            explanation=" ".join(told),
            better=Better.HIGHER,
            **self._warning(warned, "remedy_rows", group),
        )

    def _fit(self, found: AgainstPopulation) -> str:
        fit, told = found.fit(), []
        if fit is not None:
            p = f"below {number(1e-4)}" if fit.p_value < 1e-4 else number(fit.p_value)
            words = {"statistic": number(fit.statistic), "freedom": fit.freedom, "p": p}
            told.append(self._say("fit", rows=count(int(found.shares.n[0])), **words))
        if found.left_out:
            told.append(self._say("left_out", rows=count(found.left_out)))
        return " ".join(told)

    def _furthest(self, found: AgainstPopulation) -> Finding:
        value, group = found.furthest(self.one.confidence)
        return self._finding(
            "representation_difference",
            value,
            self._say("furthest", group=group, value=change(value, share=True)),
            named=group,
            explanation=self._say("furthest_why"),
            better=Better.LOWER,
        )

    def _changed(self, train: Composition) -> Finding:
        why = self._why_not(self.one) or self._why_not(train)
        if why is not None:
            return self._undefined("group_share_change", why, Better.LOWER)
        value, group = share_change(self.one, train, self.one.confidence)
        warned = (self.one.split, self.one.attribute, "group_share_change", None) in self.warned
        told = [self._say("change_why")]
        if warned:
            source = self._say("points" if self.tolerances.difference == self._default("tolerance") else "declared")
            told.append(self._say("beyond", bound=f"{points(self.tolerances.difference)} points", source=source))
        return self._finding(
            "group_share_change",
            value,
            self._say("change", group=group, value=change(value, share=True), train=TRAIN),
            named=group,
            explanation=" ".join(told),
            better=Better.LOWER,
            **self._warning(warned, "remedy_change", group),
        )

    def _warning(self, warned: bool, remedy: str, group: str) -> dict[str, Any]:
        if not warned:
            return {}
        affected = self._say("affected", group=group)
        return {"status": Status.WARN, "remedy": self._say(remedy), "affected": affected}

    def _default(self, option: str) -> object:
        return type(self.check).model_fields[option].default

"""`bias.intersections`: subgroups that two or three attributes make together, each against all other rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from auditkit.checks.bias.intersection_texts import MESSAGES, figure, tables
from auditkit.checks.bias.intersection_wording import Wording
from auditkit.checks.bias.search import Place, Search, search
from auditkit.checks.bias.subgroups import MOST_CELLS, Combination, Tolerated, headline_rates, parts_of, worse_side
from auditkit.checks.reading import known_statistics
from auditkit.checks.texts import change, count, name_of, sentence, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number, points
from auditkit.core.task import Offer, RowStatistic, Task
from auditkit.core.types import Better, Status
from auditkit.measures.rates import estimate

#: So many subgroups are told of in a text; the tables hold more.
_MOST_TOLD = 3


class BiasIntersections(Check):
    """Whether a subgroup fares worse than all other rows, though each of its attributes by itself may look fine.

    Measures:
    For every pair and triple of sensitive columns, the subgroups that they make together, by the rates that stand for
    the task: selection rate, true and false positive rate, accuracy and positive predictive value; selection rate and
    true positive rate of each of up to ten labels; mean error and mean absolute error of numbers.
    `<rate>_against_rest`: how far the worst-off subgroup stands on the worse side of all rows outside it (where
    neither side is worse: how far away the furthest is). `worst_subgroup_<rate>`: the rate of the subgroup that fares
    worst. `<rate>_difference`: the largest minus the smallest rate over the subgroups. `unsupported_subgroups`
    counts those that too few rows stand behind, `subgroups_searched` those that are compared.

    How:
    A subgroup is judged by a rate where at least `min_group` rows (10) are in its denominator, and as many outside it.
    The others are counted and listed, and while there are any, a gate on the combination can fail but not pass.
    Inside against outside: MOVER from exact (Clopper-Pearson) limits of both, which also holds in the far tails that a
    search asks for; means by Welch's t. The interval of the worst holds for all subgroups of the combination
    together (Sidak), that of the difference for all pairs of them (studentised range). Weights and clusters count.
    It is a search over the declared attributes, so a warning must stand one false discovery control (Benjamini and
    Yekutieli, for any dependence: parts against the rest of one whole are negatively dependent) over all subgroups,
    rates, combinations and splits: the near end of an interval of that confidence lies beyond the tolerance. Only
    subgroups that fare worse are warned of, the ten furthest out by name; the tables mark the others.
    A subgroup that is warned of is held against the other rows of each of its attributes (and of each pair of them
    in a triple), so that the finding says whether any of those explains it already.

    Assumptions:
    Rows (or clusters) are independent draws. Only columns in `data.sensitive` are crossed: a subgroup that none of
    them names is not found. The two outer numbers of a subgroup, its rate and that of the rest, come from rows that
    overlap between subgroups; the false discovery control allows for that.

    Reading:
    A subgroup without a warning may still fare worse by less than its rows can show: look at how far its interval
    reaches. Where one attribute explains a warning, start with `bias.groups` for that attribute.

    Source:
    Crenshaw (1989); Buolamwini and Gebru (2018), Gender shades, FAT*; Kearns, Neel, Roth and Wu (2018), Preventing
    fairness gerrymandering, ICML. Zou and Donner (2008), Statistics in Medicine 27, for MOVER; Clopper and Pearson
    (1934); Sidak (1967). Benjamini and Yekutieli (2001), Annals of Statistics 29(4), theorem 1.3. Tolerance: as in
    `bias.groups`.
    """

    id: ClassVar[str] = "bias.intersections"
    title: ClassVar[str] = "Subgroups of several attributes"
    messages: ClassVar[Mapping[str, str]] = MESSAGES

    #: Fewer rows than this in a rate's denominator can't carry a verdict on a subgroup.
    min_group: int = Field(default=10, ge=1)
    #: So far a subgroup may be on the worse side of the rest in a share without a warning.
    tolerance: float = Field(default=0.1, ge=0, le=1)
    #: The same for a mean, as the ratio of the better to the worse.
    ratio_tolerance: float = Field(default=0.8, gt=0, le=1)
    #: How many attributes are crossed at most.
    depth: Literal[2, 3] = 3
    #: So many combinations of attributes are looked at, pairs first; those that a gate names always are.
    max_combinations: int = Field(default=200, ge=1)
    #: With more labels than this the rates of single labels are not compared.
    max_labels: int = Field(default=10, ge=0)
    #: So many subgroups are warned of by name.
    max_warnings: int = Field(default=10, ge=1)

    def offers(self, task: Task) -> Sequence[Offer]:
        """The gap, the worst subgroup and the furthest from the rest, of each rate; and what was searched."""
        found = [Offer("subgroups_searched", low=0.0)]
        found.append(Offer("unsupported_subgroups", by=True, better=Better.LOWER, low=0.0))
        for s in headline_rates(task, known_statistics(task), self.max_labels):
            of_class, (low, high) = s.class_ is not None, s.limits
            reach = None if low is None or high is None else high - low
            least = 0.0 if worse_side(s) is None else None if reach is None else -reach
            for name, low_end in ((f"{s.name}_difference", 0.0), (f"{s.name}_against_rest", least)):
                found.append(Offer(name, by=True, class_=of_class, better=Better.LOWER, low=low_end, high=reach))
            if worse_side(s) is not None:
                better = Better.HIGHER if worse_side(s) == "below" else Better.LOWER
                worst = f"worst_subgroup_{s.name}"
                found.append(Offer(worst, by=True, class_=of_class, better=better, low=low, high=high))
        return list({(offer.metric, offer.class_): offer for offer in found}.values())

    def run(self, evidence: Evidence) -> list[Finding]:
        """Every split that training did not see, by every pair and triple of sensitive columns."""
        if len(evidence.data.sensitive) < 2:
            return [self.skipped(self.say("no_columns"))]
        tolerated = Tolerated(self.tolerance, self.ratio_tolerance, evidence.task.headline)
        limits = {"depth": self.depth, "most": self.max_combinations, "most_labels": self.max_labels}
        made = search(evidence, tolerated, least=self.min_group, **limits)
        found = [self._searched(evidence, made, split) for split in made.statistics]
        for at, one in enumerate(made.every):
            found.append(self._support(made, at))
            for rate, statistic in enumerate(made.statistics[one.split]):
                found += self._of_rate(evidence, made, (at, rate), statistic)
        return found

    def _searched(self, evidence: Evidence, made: Search, split: str) -> Finding:
        here = [one for one in made.every if one.split == split]
        known = [one.groups for one in here if one.groups is not None and one.why is None]
        subgroups = sum(int(np.count_nonzero(groups.sizes())) for groups in known)
        triples = self.depth == 3 and len(evidence.data.sensitive) > 2
        which = [self.say("triples" if triples else "pairs")]
        beyond_depth = any(len(names) > (3 if triples else 2) for names in evidence.intersections)
        which += [self.say("named")] if beyond_depth else []
        told = [self.say("searched_why", which=", ".join(which))]
        told += [f"{sentence(self._why(one))}." for one in here if one.why is not None][:_MOST_TOLD]
        if made.left_out:
            told.append(self.say("left_out", count=f"{made.left_out:,}", most=self.max_combinations))
        labels = len(evidence.task.classes)
        if labels > self.max_labels and evidence.task.positive is None:
            told.append(self.say("many_labels", count=f"{labels:,}"))
        beyond = sum(made.every[at].split == split for at, _, _ in made.certain)
        title = self.say(
            "searched",
            split=split,
            subgroups=count(subgroups, "subgroup"),
            combinations=count(len(here), "combination"),
            claims=f"{sum(len(c.at) for one in here for c in one.compared):,}",
            found=f"{beyond:,}",
        )
        counted = Estimate.exact(float(subgroups), evidence.outcomes(split).rows)
        return self.finding("subgroups_searched", Scope(split=split), counted, title=title, explanation=" ".join(told))

    def _support(self, made: Search, at: int) -> Finding:
        """How many subgroups too few rows stand behind, with the tables of all of them."""
        one = made.every[at]
        scope = Scope(split=one.split, attribute=one.attribute)
        words = {"attribute": one.attribute, "split": one.split}
        if one.groups is None or one.why is not None:
            nothing = Estimate.undefined(self._why(one), one.outcomes.rows)
            title = self.say("undefined", metric="Unsupported subgroups", **words)
            return self.finding("unsupported_subgroups", scope, nothing, title=title, better=Better.LOWER)
        sizes = one.groups.sizes()
        few, absent = sizes < self.min_group, int(np.count_nonzero(sizes == 0))
        supported = len(sizes) - int(np.count_nonzero(few))
        told = [self.say("unsupported_why", least=self.min_group)]
        if supported + absent < len(sizes):
            below = count(len(sizes) - supported - absent, "subgroup")
            told.append(self.say("below", few=below, rows=count(int(sizes[few].sum()))))
        told += [self.say("absent", absent=count(absent, "subgroup"))] if absent else []
        return self.finding(
            "unsupported_subgroups",
            scope,
            Estimate.exact(float(len(sizes) - supported), one.outcomes.rows),
            title=self.say("unsupported", supported=supported, all=count(len(sizes), "subgroup"), **words),
            explanation=" ".join(told),
            better=Better.LOWER,
            tables=tables(one, made.of(at), at, self.min_group, made.confidence),
        )

    def _why(self, one: Combination) -> str:
        assert one.why is not None
        key, many = one.why
        words = {"attribute": one.attribute, "rows": count(one.outcomes.rows), "most": f"{MOST_CELLS:,}"}
        return self.say(key, subgroups=f"{many:,}", **words)

    def _of_rate(
        self, evidence: Evidence, made: Search, where: tuple[int, int], statistic: RowStatistic
    ) -> list[Finding]:
        """The gap, the furthest from the rest, and the worst, by one rate."""
        at, rate = where
        one, side = made.every[at], worse_side(statistic)
        metrics = [f"{statistic.name}_difference", f"{statistic.name}_against_rest"]
        metrics += [f"worst_subgroup_{statistic.name}"] if side is not None else []
        compared = one.compared[rate] if one.why is None else None
        if compared is None or one.groups is None or len(compared.at) == 0:
            reason = self._unsupported(one, statistic)
            return [self._undefined(one, statistic, metric, reason) for metric in metrics]
        wording = Wording(self.say, one, one.groups, compared, made.confidence, self.min_group)
        found = [self._gap(wording), self._against_rest(evidence, made, where, wording)]
        return found if side is None else [*found, self._worst(wording)]

    def _unsupported(self, one: Combination, statistic: RowStatistic) -> str:
        if one.outcomes.problem is not None:
            return one.outcomes.problem
        if one.why is not None:
            return self._why(one)
        return self.say("no_rest", attribute=one.attribute, least=self.min_group, what=statistic.empty)

    def _undefined(self, one: Combination, statistic: RowStatistic, metric: str, reason: str) -> Finding:
        scope = Scope(split=one.split, attribute=one.attribute, compared=(), class_=statistic.class_)
        title = self.say(
            "undefined",
            metric=sentence(name_of(metric, statistic.class_)),
            attribute=one.attribute,
            split=one.split,
        )
        better = Better.HIGHER if metric.startswith("worst") and worse_side(statistic) == "below" else Better.LOWER
        nothing = Estimate.undefined(reason)
        return self.finding(metric, scope, nothing, title=title, better=better, sufficient=False)

    def _gap(self, said: Wording) -> Finding:
        found, highest, lowest = said.gap()
        return self.finding(
            f"{said.statistic.name}_difference",
            said.scope((highest, lowest), all_of_them=True),
            found,
            title=said.gap_title(found, highest, lowest),
            explanation=said.explained("gap_why"),
            better=Better.LOWER,
            sufficient=said.complete,
        )

    def _worst(self, said: Wording) -> Finding:
        found, group = said.worst()
        return self.finding(
            f"worst_subgroup_{said.statistic.name}",
            said.scope((group,)),
            found,
            title=said.title(f"worst.{said.compared.side}", group, span(found, share=said.share)),
            explanation=said.explained("worst_why"),
            better=Better.HIGHER if said.compared.side == "below" else Better.LOWER,
            sufficient=said.complete,
        )

    def _against_rest(self, evidence: Evidence, made: Search, where: tuple[int, int], said: Wording) -> Finding:
        """The subgroup furthest on the worse side of the rest; a warning where one certainly is beyond the
        tolerance, as long as few others stand further out."""
        found, group = said.furthest()
        certain = made.of(*where)
        warned = any(place in made.certain[: self.max_warnings] for place in certain)
        told = [said.explained("rest_why" if said.compared.side else "rest_why.None")]
        if certain:
            told += self._beyond(evidence, made, certain, said)
            told += [] if warned else [self.say("capped", most=self.max_warnings)]
        groups = [said.groups.labels[g] for _, _, g in certain]
        overall = estimate(said.statistic, said.one.outcomes.design, made.confidence)
        return self.finding(
            f"{said.statistic.name}_against_rest",
            said.scope((group,)),
            found,
            title=said.title(f"rest.{said.compared.side}", group, change(found, share=said.share)),
            explanation=" ".join(told),
            status=Status.WARN if warned else Status.INFO,
            better=Better.LOWER,
            sufficient=said.complete,
            remedy=self.say("remedy") if warned else None,
            affected=said.affected(groups, [g for _, _, g in certain]) if warned else None,
            figures=figure(said.one, where[1], made.confidence, overall) if warned else (),
        )

    def _beyond(self, evidence: Evidence, made: Search, certain: Sequence[Place], said: Wording) -> list[str]:
        """Which subgroups are beyond the tolerance, and whether fewer attributes explain the first few of them."""
        share = said.share
        bound = f"{points(self.tolerance)} points" if share else f"a ratio of {number(self.ratio_tolerance)}"
        default = type(self).model_fields["tolerance" if share else "ratio_tolerance"].default
        cited = (self.tolerance if share else self.ratio_tolerance) == default
        shown = [said.inside_and_outside(g) for _, _, g in certain[:_MOST_TOLD]]
        shown += [self.say("more", count=len(certain) - _MOST_TOLD)] if len(certain) > _MOST_TOLD else []
        source = self.say(("source" if share else "source_ratio") if cited else "declared")
        told = self.say("beyond", bound=bound, source=source, groups=", ".join(shown), claims=f"{made.claims():,}")
        explained = [
            said.parts(said.groups.labels[g], parts_of(evidence, said.one, said.compared, g, self.min_group))
            for _, _, g in certain[:_MOST_TOLD]
        ]
        return [told, *explained]

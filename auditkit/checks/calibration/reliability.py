"""`calibration.reliability`: whether scores can be taken as probabilities, for everyone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditkit.checks.discovery import confirm
from auditkit.checks.glossary import meaning
from auditkit.checks.reading import held_out, names_rows
from auditkit.checks.texts import count, name_of, sentence, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.figure import Figure, Series, Table
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Calibration, Metric, Offer, Task
from auditkit.core.types import Better, Status

_WARNED = "expected_calibration_error"
#: More groups than this make a reliability figure unreadable.
_MOST_DRAWN = 6
#: With more groups than this, their scores are looked at only where a gate asks for it: each is gone through by itself.
_MOST_MEASURED = 200


@dataclass(frozen=True)
class _Part:
    """The rows of a split that one set of findings speaks of: all of them, or one group.

    `left_out`: attributes whose groups are not looked at, with how many they are.
    """

    outcomes: Outcomes
    attribute: str | None = None
    group: str | None = None
    left_out: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """The part in words."""
        return "" if self.group is None else f" of {self.attribute} '{self.group}'"

    def scope(self, class_: str | None) -> Scope:
        """The scope of a finding about this part."""
        groups = None if self.group is None else (self.group,)
        return Scope(split=self.outcomes.split, attribute=self.attribute, groups=groups, class_=class_)


class CalibrationReliability(Check):
    """Whether the scores can be taken as probabilities, overall and for each group.

    Measures:
    `expected_calibration_error` (how far scores are from observed rates, corrected for chance), `brier` (the mean
    squared distance of scores from what happened), overall and for each group of each sensitive column.

    How:
    Rows are put into `bins` by their score, and the mean score of a bin is held against the observed rate. The plain
    error is above 0 even for perfect scores, as rates in small bins scatter; that part is taken off. The check warns
    where the lower end of the interval exceeds `tolerance`, after one false discovery control (Benjamini and Hochberg)
    over all parts that it looks at.

    Assumptions:
    Rows (or clusters) are independent draws, and every row that is scored has its label, or lacks it by chance. An
    attribute of more than 200 groups is looked at by group only where a gate names it.

    Reading:
    Below the diagonal the model is too sure, above it not sure enough. Good calibration overall can hide a group for
    which scores promise too much. Calibration says nothing of how well scores separate the classes.

    Source:
    Guo et al. (2017), On calibration of modern neural networks, ICML. Kumar, Liang and Ma (2019), Verified uncertainty
    calibration, NeurIPS, for the correction. Brier (1950). The tolerance is this project's own: no accepted bound
    exists.
    """

    id: ClassVar[str] = "calibration.reliability"
    title: ClassVar[str] = "Reliability of the scores"
    messages: ClassVar[dict[str, str]] = {
        "value": "{metric}{part} on {split}: {value}",
        "beyond": "Scores are certainly further than {tolerance} from the observed rates on average: they can't be "
        "taken as probabilities here.",
        "few": "Only {rows} stand behind it, fewer than {least}: too few to carry a verdict.",
        "left_out": "It is not measured by {attribute}, which has {groups} groups: a gate that names the column has it "
        "measured.",
        "remedy": "Recalibrate on rows apart from these (temperature scaling, isotonic regression), and check each "
        "group afterwards.",
        "affected": "everyone who is judged by a score{part}: {rows} of {split}",
        "no_rows": "there are no rows of {attribute} '{group}' in {split}",
        "by_group": "Reliability by {attribute} on {split}",
        "by_group_alt": "Observed rate against mean score for {groups}. {values}",
    }

    #: Bins of equal numbers of rows.
    bins: int = Field(default=15, ge=2, le=100)
    #: Largest calibration error that passes without a warning.
    tolerance: float = Field(default=0.05, ge=0, le=1)
    #: Fewer rows than this behind a value can't carry a verdict.
    min_group: int = Field(default=10, ge=1)

    def offers(self, task: Task) -> Sequence[Offer]:
        """The calibration metrics of the task, overall and by group; nothing where it has none."""
        return [replace(offer, by=by, group=by) for offer in task.calibration_offers() for by in (False, True)]

    def run(self, evidence: Evidence) -> list[Finding]:
        """Every split that training did not see, as a whole and by each sensitive column."""
        parts: list[tuple[_Part, Calibration]] = []
        for split in held_out(evidence):
            whole = _Part(evidence.outcomes(split), left_out=self._left_out(evidence, split))
            found = self._calibration(evidence, whole, evidence.confidence)
            if isinstance(found, str):
                return [self.skipped(found)]
            parts.append((whole, found))
            parts += [(part, self._of_group(evidence, part, found)) for part in self._groups(evidence, whole)]
        warned = self._warned(evidence, parts)
        return [
            self._finding(part, metric, (i, m) in warned, self._shown(parts, part, found) if m == 0 else None)
            for i, (part, found) in enumerate(parts)
            for m, metric in enumerate(found.metrics)
        ]

    def _left_out(self, evidence: Evidence, split: str) -> tuple[tuple[str, int], ...]:
        """The attributes with too many groups to be gone through unasked."""
        asked = [one for one in evidence.asked_of(self.id) if one.split == split]
        groups = {name: len(evidence.groups(split, name).labels) for name in evidence.data.sensitive}
        return tuple(
            (name, count)
            for name, count in groups.items()
            if count > _MOST_MEASURED and not any(one.by is None or one.by == (name,) for one in asked)
        )

    def _groups(self, evidence: Evidence, whole: _Part) -> list[_Part]:
        outcomes, parts = whole.outcomes, []
        for attribute in evidence.data.sensitive:
            groups = evidence.groups(outcomes.split, attribute)
            if names_rows(groups) or attribute in dict(whole.left_out):
                continue
            order = np.argsort(groups.codes, kind="stable")
            ends = np.searchsorted(groups.codes[order], np.arange(len(groups.labels) + 1)).tolist()
            for label, (start, stop) in zip(groups.labels, pairwise(ends), strict=True):
                parts.append(_Part(outcomes.where(order[start:stop]), attribute, label))
        return parts

    def _calibration(self, evidence: Evidence, part: _Part, confidence: float) -> Calibration | str:
        return evidence.task.calibration(part.outcomes, confidence, self.bins)

    def _of_group(self, evidence: Evidence, part: _Part, whole: Calibration) -> Calibration:
        """Of one group; where it has none, the same metrics as the whole without values, and why."""
        empty = self.say("no_rows", attribute=part.attribute, group=part.group, split=part.outcomes.split)
        found = self._calibration(evidence, part, evidence.confidence) if len(part.outcomes) else empty
        if not isinstance(found, str):
            return found
        nothing = Estimate.undefined(found)
        metrics = tuple(Metric(m.name, nothing, m.better, m.class_) for m in whole.metrics)
        return Calibration(metrics, None, None)

    def _warned(self, evidence: Evidence, parts: Sequence[tuple[_Part, Calibration]]) -> set[tuple[int, int]]:
        places = [
            (i, m)
            for i, (_, found) in enumerate(parts)
            for m, metric in enumerate(found.metrics)
            if metric.name == _WARNED and metric.estimate.value is not None
        ]

        def claim(place: tuple[int, int], level: float) -> bool:
            part, found = parts[place[0]]
            if level != evidence.confidence:
                again = self._calibration(evidence, part, level)
                assert not isinstance(again, str)
                found = again
            low = found.metrics[place[1]].estimate.low
            return low is not None and low > self.tolerance

        claims = [lambda level, place=place: claim(place, level) for place in places]
        return {place for place, holds in zip(places, confirm(claims, evidence.confidence), strict=True) if holds}

    def _finding(self, part: _Part, metric: Metric, warned: bool, shown: _Shown | None) -> Finding:
        value, split = metric.estimate, part.outcomes.split
        enough = value.n >= self.min_group
        told = [meaning(metric.name)]
        if warned:
            told.append(self.say("beyond", tolerance=number(self.tolerance)))
        if value.value is not None and not enough:
            told.append(self.say("few", rows=count(value.n), least=self.min_group))
        told += [self.say("left_out", attribute=name, groups=f"{groups:,}") for name, groups in part.left_out]
        name = sentence(name_of(metric.name, metric.class_))
        words = {"metric": name, "part": part.name, "split": split}
        return self.finding(
            metric.name,
            part.scope(metric.class_),
            value,
            title=self.say("value", **words, value=span(value, share=False)),
            explanation=" ".join(text for text in told if text),
            status=Status.WARN if warned else Status.INFO,
            better=metric.better or Better.LOWER,
            sufficient=enough,
            remedy=self.say("remedy") if warned else None,
            affected=self.say("affected", part=part.name, rows=count(value.n), split=split) if warned else None,
            figures=() if shown is None else shown.figures,
            tables=() if shown is None else shown.tables,
        )

    def _shown(self, parts: Sequence[tuple[_Part, Calibration]], part: _Part, found: Calibration) -> _Shown:
        """The whole split carries the overall figure, and one by each sensitive column; groups carry none."""
        if part.group is not None:
            return _Shown((), ())
        figures = [] if found.figure is None else [found.figure]
        same = [(p, c) for p, c in parts if p.outcomes.split == part.outcomes.split and p.group is not None]
        for attribute in dict.fromkeys(p.attribute for p, _ in same):
            figures += self._by_group([(p, c) for p, c in same if p.attribute == attribute])
        return _Shown(tuple(figures), () if found.table is None else (found.table,))

    def _by_group(self, parts: Sequence[tuple[_Part, Calibration]]) -> list[Figure]:
        drawn = [(p, c.figure) for p, c in parts if c.figure is not None and c.figure.series]
        if not drawn or len(drawn) > _MOST_DRAWN:
            return []
        attribute, split = drawn[0][0].attribute, drawn[0][0].outcomes.split
        series = tuple(Series(name=str(p.group), points=f.series[0].points) for p, f in drawn)
        groups = ", ".join(f"'{p.group}'" for p, _ in drawn)
        errors = [next((m.estimate for m in c.metrics if m.name == _WARNED), None) for p, c in parts if c.figure]
        values = "; ".join(
            f"'{p.group}' error {span(e, share=False)}" for (p, _), e in zip(drawn, errors, strict=False) if e
        )
        alt = self.say("by_group_alt", groups=groups, values=f"Calibration error: {values}.")
        title = self.say("by_group", attribute=attribute, split=split)
        first = drawn[0][1]
        return [Figure(kind="reliability", title=title, alt=alt, x=first.x, y=first.y, series=series)]


@dataclass(frozen=True)
class _Shown:
    """What goes beside a finding."""

    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]

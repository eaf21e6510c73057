"""The findings of `bias.data` on labels: their rates by group, the gaps between groups, and who has none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from auditkit.checks.bias.comparison import UNLABELLED
from auditkit.checks.bias.composition import MEAN, Composition
from auditkit.checks.bias.data_claims import Key, Tolerances
from auditkit.checks.bias.data_texts import label_figure
from auditkit.checks.reading import is_share
from auditkit.checks.texts import change, count, listed, name_of, sentence, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number, points
from auditkit.core.task import GapRule, RowStatistic
from auditkit.core.types import Better, Status
from auditkit.measures.gaps import Gap

#: So many small combinations of group and label are named.
_MOST_NAMED = 5


@dataclass(frozen=True)
class LabelFindings:
    """Findings on the labels of one attribute of one split."""

    check: Check
    one: Composition
    rules: Sequence[GapRule]
    warned: Collection[Key]
    tolerances: Tolerances
    most_labels: int

    def all(self) -> list[Finding]:
        """Rates by group, gaps, and (where labels are no numbers) association and small cells."""
        statistics = (*self.one.labels, self.one.unlabelled)
        found = [] if self.one.names_rows else [f for s in statistics for f in self._rates(s)]
        found += [self._gap(rule) for rule in self.rules]
        return [*found, self._association(), self._cells()] if self.one.task.classes else found

    def _say(self, key: str, **words: object) -> str:
        return self.check.say(key, **{"attribute": self.one.attribute, "split": self.one.split, **words})

    def _scope(self, **more: Any) -> Scope:
        return Scope(split=self.one.split, attribute=self.one.attribute, **more)

    def _idlike(self) -> str:
        return self._say("idlike", groups=f"{len(self.one.groups.labels):,}", rows=count(self.one.outcomes.rows))

    def _rates(self, statistic: RowStatistic) -> list[Finding]:
        label = "the favourable label" if statistic.class_ is None else f"the label '{statistic.class_}'"
        name = sentence(name_of(statistic.name, statistic.class_))
        made = []
        values = self.one.of_group(statistic)
        for at in self.one.told_by(statistic.name, statistic.class_):
            group, value = self.one.groups.labels[at], values[at]
            shown = span(value, share=is_share(statistic))
            finding = self.check.finding(
                statistic.name,
                self._scope(groups=(group,), class_=statistic.class_),
                value,
                title=self._say("group", metric=name, group=group, value=shown),
                explanation=self._say(f"{statistic.name}_why", label=label),
                better=statistic.better,
                sufficient=value.n >= self.one.least,
            )
            made.append(finding)
        return made

    def _gap(self, rule: GapRule) -> Finding:
        key = (self.one.split, self.one.attribute, rule.name, rule.class_)
        nothing = Gap(Estimate.undefined(self._idlike()), small=("all",))
        found = nothing if self.one.names_rows else self.one.gap(rule, self.one.confidence)
        pair = None if found.highest is None or found.lowest is None else (found.highest, found.lowest)
        warned = key in self.warned
        return self.check.finding(
            rule.name,
            self._scope(groups=pair, compared=found.compared, class_=rule.class_),
            found.estimate,
            title=self._title(rule, found),
            explanation=self._explain(rule, found, warned=warned),
            better=rule.better,
            sufficient=not found.small,
            **(self._warning(rule, found) if warned else {}),
        )

    def _title(self, rule: GapRule, found: Gap) -> str:
        name = sentence(name_of(rule.name, rule.class_))
        if found.estimate.value is None:
            return self._say("undefined", metric=name)
        value = change(found.estimate, share=self._in_points(rule))
        return self._say("gap", metric=name, value=value, highest=found.highest, lowest=found.lowest)

    def _in_points(self, rule: GapRule) -> bool:
        return rule.form == "difference" and rule.statistics != (MEAN,)

    def _explain(self, rule: GapRule, found: Gap, *, warned: bool) -> str:
        what = self._say(f"{rule.form}_of", name=name_of(rule.statistics[0], rule.class_))
        told = [self._say("gap_why", what=what)]
        if warned:
            bound = self.tolerances.bound(self.one, rule)
            shown = f"{points(bound)} points" if self._in_points(rule) else number(bound)
            told.append(self._say("beyond", bound=shown, source=self._say(self._source(rule))))
        if found.partial is not None and found.partial.value is not None:
            told.append(self._say("partial", value=change(found.partial, share=self._in_points(rule))))
        if found.small and not self.one.names_rows:
            told.append(self._say("small", least=self.one.least, groups=listed(found.small)))
        return " ".join(told)

    def _source(self, rule: GapRule) -> str:
        fields = type(self.check).model_fields
        if rule.form == "ratio":
            return "four_fifths" if self.tolerances.ratio == fields["ratio_tolerance"].default else "declared"
        if rule.statistics == (MEAN,):
            return "cohen" if self.tolerances.deviations == fields["deviation_tolerance"].default else "declared"
        return "points" if self.tolerances.difference == fields["tolerance"].default else "declared"

    def _warning(self, rule: GapRule, found: Gap) -> dict[str, Any]:
        """Who is affected: whoever has the label less often, or lacks a label more often."""
        unlabelled = rule.statistics == (UNLABELLED,)
        group = found.highest if unlabelled else found.lowest
        statistic = next((s for s in self.one.labels if s.name in rule.statistics and s.class_ == rule.class_), None)
        name = sentence(name_of(rule.statistics[0], rule.class_))
        drawn = () if statistic is None else label_figure(self.one, self.one.of_group(statistic), name)
        return {
            "status": Status.WARN,
            "remedy": self._say("remedy_unlabelled" if unlabelled else "remedy_label"),
            "affected": self._say("affected", group=group),
            "figures": drawn,
        }

    def _association(self) -> Finding:
        idlike = self.one.names_rows
        found = Estimate.undefined(self._idlike()) if idlike else self.one.association()
        title = self._say("association", value=span(found, share=False))
        labels = f"{len(self.one.task.classes):,}"
        more = [] if self.one.labels else [self._say("many_labels", count=labels, most=self.most_labels)]
        return self.check.finding(
            "label_association",
            self._scope(),
            found,
            title=title if found.value is not None else self._say("undefined", metric="Label association"),
            explanation=" ".join([self._say("association_why"), *more]),
            better=Better.LOWER,
        )

    def _cells(self) -> Finding:
        """How many combinations of group and label have few rows."""
        if self.one.names_rows:
            found = Estimate.undefined(self._idlike())
            title = self._say("undefined", metric="Small cells")
            return self.check.finding("small_cells", self._scope(), found, title=title, better=Better.LOWER)
        cells = self.one.cells()
        few = sorted((c for c in cells if c[2] < self.one.least), key=lambda c: c[2])
        named = [self._say("cell", group=g, label=label, rows=count(rows)) for g, label, rows in few[:_MOST_NAMED]]
        told = [self._say("cells_why"), self._say("fewest", cells=", ".join(named))] if few else []
        has = "has" if len(few) == 1 else "have"
        words = {"found": len(few), "all": f"{len(cells):,}", "has": has, "least": self.one.least}
        return self.check.finding(
            "small_cells",
            self._scope(),
            Estimate.exact(float(len(few)), self.one.outcomes.rows_where(self.one.outcomes.labelled)),
            title=self._say("cells", **words),
            explanation=" ".join(told),
            better=Better.LOWER,
        )

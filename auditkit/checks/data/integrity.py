"""`data.integrity`: missing and infinite values, constant columns, copies, contradictions, missing labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from auditkit.checks.data.columns import ColumnSums, column_sums
from auditkit.checks.data.repeats import Repeats, repeats
from auditkit.checks.discovery import confirm
from auditkit.checks.reading import rows_of, share_of
from auditkit.checks.texts import count, listed, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.figure import Table
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import percent
from auditkit.core.outcomes import Outcomes
from auditkit.core.task import Offer, Task
from auditkit.core.types import Better, Status
from auditkit.measures.rates import estimate

_METRICS = (
    "missing_share",
    "infinite_values",
    "constant_columns",
    "duplicate_share",
    "conflicting_label_share",
    "unlabelled_share",
)


class DataIntegrity(Check):
    """Whether the data can carry an audit: missing and infinite values, constant columns, copies, contradictions.

    Measures:
    By split: `missing_share` and `infinite_values` of each input column; `constant_columns`; `duplicate_share` (rows
    that repeat an earlier row, inputs and label); `conflicting_label_share` (rows whose inputs another row has with
    another label); `unlabelled_share`.

    How:
    Shares of missing values and of missing labels speak of the population that the rows come from and have intervals.
    Copies and contradictions are counted in the files as they are: exact, without an interval. A warning on a missing
    share needs the lower end of its interval above `missing_tolerance`, after one false discovery control (Benjamini
    and Hochberg) over all columns. Where rows with the same inputs differ in their label as often as rows of different
    people would, repeats come from few inputs with few values rather than from copying, and are not warned of.
    Contradictions are warned of where they alone make any model of these inputs err on more than `conflict_tolerance`.

    Assumptions:
    Missing values are empty cells; a code such as -999 or "?" counts as a value. Weights and clusters don't enter the
    shares of columns. Rows are compared by a 64-bit hash of their inputs.

    Reading:
    Missing values are no mistake in themselves; what matters is whether they hang together with who a row is about.
    Copies make every interval too narrow. Contradictions bound what any model of these inputs can reach.

    Source:
    Tolerance for missing values: deepchecks' default for Percent Of Nulls (0.05). The other tolerances are this
    project's own. Wilson (1927) for the intervals.
    """

    id: ClassVar[str] = "data.integrity"
    title: ClassVar[str] = "Integrity of the data"
    needs: ClassVar[tuple[str, ...]] = ("rows",)
    uses: ClassVar[tuple[str, ...]] = ("columns",)
    messages: ClassVar[dict[str, str]] = {
        "missing": "Missing values of '{column}' in {split}: {value}",
        "missing_why": "Empty in {missing} of {rows}.",
        "missing_bad": "Certainly more than {tolerance}; whatever the model makes of a missing value decides here.",
        "missing_remedy": "Find out why they are missing and for whom; see the group '(missing)' where the column is "
        "sensitive.",
        "infinite": "Infinite values of '{column}' in {split}: {found}",
        "infinite_why": "A number that is not finite is a mistake in the data or in how they were made.",
        "infinite_remedy": "Correct the values at their source.",
        "finite_why": "All numbers are finite.",
        "constant": "Columns of {split} that hold one value only: {found}",
        "constant_why": "{columns} can't tell rows apart in this split.",
        "constant_none": "Every column holds more than one value.",
        "constant_remedy": "Drop them, or check that the split holds all kinds of rows.",
        "copies": "Rows of {split} that repeat an earlier row: {value} ({found} of {rows})",
        "copies_bad": "More than {tolerance} are copies, so that there is less evidence than rows: intervals are too "
        "narrow, and copies may stand in both splits.",
        "copies_chance": "Rows with the same inputs differ in their label in {differ} of pairs, as rows of different "
        "people do: with so few values of the inputs, rows are alike by chance.",
        "copies_few": "Exact count in this file, inputs and label.",
        "copies_remedy": "Remove copies before splitting, or name what they share in data.cluster.",
        "conflict": "Rows of {split} whose inputs also occur with another label: {value} ({found} of {rows})",
        "conflict_why": "No model of these inputs can be right on more than {best} of the labelled rows of this split.",
        "conflict_remedy": "Check the labels of these rows, and whether an input that tells them apart is left out.",
        "unlabelled": "Rows of {split} without a label: {value}",
        "unlabelled_why": "Rates that need a label speak only for the rows that have one; if labels are missing for a "
        "reason, as for those who were turned down, these rates don't hold for everyone.",
        "labelled": "Every row has a label.",
        "unlabelled_remedy": "Say who the unlabelled are, and judge them by rates that need no label.",
        "affected": "{rows} of {split}",
        "table": "Columns of {split}",
        "no_target": "the plan names no target column, so there is no label to look at",
        "no_rows": "the split '{split}' has no rows",
        "no_inputs": "the plan names no input columns, so rows can't be compared",
    }

    #: Largest share of missing values of a column that passes without a warning.
    missing_tolerance: float = Field(default=0.05, ge=0, le=1)
    #: Largest share of copies.
    duplicate_tolerance: float = Field(default=0.05, ge=0, le=1)
    #: Largest share of labelled rows on which contradictions make any model err.
    conflict_tolerance: float = Field(default=0.03, ge=0, le=1)
    #: Largest share of rows without a label.
    unlabelled_tolerance: float = Field(default=0.05, ge=0, le=1)

    def offers(self, task: Task) -> Sequence[Offer]:
        """Six metrics, each by split."""
        most = {metric: 1.0 for metric in _METRICS if metric.endswith("_share")}
        return [Offer(metric, better=Better.LOWER, low=0.0, high=most.get(metric)) for metric in _METRICS]

    def run(self, evidence: Evidence) -> list[Finding]:
        """Every split: its columns, its rows, its labels."""
        found: list[Finding] = []
        if evidence.has("columns"):
            found += self._columns(column_sums(evidence.table("columns")), evidence.confidence)
        elif evidence.data.inputs:
            found.append(self.skipped(evidence.absent.get("columns", "not collected"), Scope(reference="columns")))
        rows = evidence.table("rows")
        for split in evidence.data.splits:
            found += self._rows(evidence, split, rows_of(rows, split))
            found.append(self._labels(evidence.outcomes(split), evidence))
        return found

    def _columns(self, sums: Sequence[ColumnSums], confidence: float) -> list[Finding]:
        claims = [lambda level, s=s: (s.missing_share(level).low or 0.0) > self.missing_tolerance for s in sums]
        warned = confirm(claims, confidence)
        found = []
        for column, bad in zip(sums, warned, strict=True):
            found.append(self._missing(column, column.missing_share(confidence), bad))
            if column.numeric:
                found.append(self._infinite(column))
        splits = dict.fromkeys(column.split for column in sums)
        return found + [self._constant(split, [c for c in sums if c.split == split]) for split in splits]

    def _missing(self, column: ColumnSums, value: Estimate, bad: bool) -> Finding:
        told = [self.say("missing_why", missing=f"{column.missing:,}", rows=count(column.rows))]
        if bad:
            told.append(self.say("missing_bad", tolerance=percent(self.missing_tolerance)))
        return self.finding(
            "missing_share",
            Scope(split=column.split, feature=column.name),
            value,
            title=self.say("missing", column=column.name, split=column.split, value=span(value, share=True)),
            explanation=" ".join(told),
            **self._verdict(bad, "missing_remedy", column.missing, column.split),
        )

    def _infinite(self, column: ColumnSums) -> Finding:
        bad = column.infinite > 0
        return self.finding(
            "infinite_values",
            Scope(split=column.split, feature=column.name),
            Estimate.exact(float(column.infinite), column.rows),
            title=self.say("infinite", column=column.name, split=column.split, found=f"{column.infinite:,}"),
            explanation=self.say("infinite_why" if bad else "finite_why"),
            **self._verdict(bad, "infinite_remedy", column.infinite, column.split),
        )

    def _constant(self, split: str, columns: Sequence[ColumnSums]) -> Finding:
        names = [column.name for column in columns if column.constant]
        rows = columns[0].rows
        return self.finding(
            "constant_columns",
            Scope(split=split),
            Estimate.exact(float(len(names)), rows) if rows else Estimate.undefined(self.say("no_rows", split=split)),
            title=self.say("constant", split=split, found=len(names)),
            explanation=self.say("constant_why", columns=listed(names)) if names else self.say("constant_none"),
            tables=(self._table(split, columns),),
            **self._verdict(bool(names), "constant_remedy", rows, split),
        )

    def _table(self, split: str, columns: Sequence[ColumnSums]) -> Table:
        return Table(
            title=self.say("table", split=split),
            columns=("column", "kind", "rows", "missing", "infinite", "mean", "standard deviation"),
            rows=tuple(column.cells() for column in columns),
        )

    def _rows(self, evidence: Evidence, split: str, rows: pa.Table) -> list[Finding]:
        if not evidence.data.inputs or not {"input_hash", "row_hash"} <= set(rows.column_names):
            why = self.say("no_inputs")
        elif not len(rows):
            why = self.say("no_rows", split=split)
        else:
            found = repeats(rows)
            return [self._copies(split, found), self._conflicts(split, found)]
        nothing = Repeats(0, 0, 0, 0, 0, None)
        return [self._copies(split, nothing, why), self._conflicts(split, nothing, why)]

    def _copies(self, split: str, found: Repeats, why_not: str | None = None) -> Finding:
        value = _exact(found.copies, found.rows, why_not)
        many = value.value is not None and value.value > self.duplicate_tolerance
        bad = many and not found.by_chance
        if bad:
            why = self.say("copies_bad", tolerance=percent(self.duplicate_tolerance))
        elif many and found.agreement is not None:
            why = self.say("copies_chance", differ=percent(1 - found.agreement))
        else:
            why = self.say("copies_few")
        words = {"split": split, "found": f"{found.copies:,}", "rows": f"{found.rows:,}"}
        return self.finding(
            "duplicate_share",
            Scope(split=split),
            value,
            title=self.say("copies", **words, value=span(value, share=True)),
            explanation=why,
            **self._verdict(bad, "copies_remedy", found.copies, split),
        )

    def _conflicts(self, split: str, found: Repeats, why_not: str | None = None) -> Finding:
        value = _exact(found.conflicting, found.rows, why_not)
        bad = found.labelled > 0 and found.unavoidable / found.labelled > self.conflict_tolerance
        words = {"split": split, "found": f"{found.conflicting:,}", "rows": f"{found.rows:,}"}
        best = percent(1 - found.unavoidable / found.labelled) if found.labelled else ""
        return self.finding(
            "conflicting_label_share",
            Scope(split=split),
            value,
            title=self.say("conflict", **words, value=span(value, share=True)),
            explanation=self.say("conflict_why", best=best) if best else "",
            **self._verdict(bad, "conflict_remedy", found.conflicting, split),
        )

    def _labels(self, outcomes: Outcomes, evidence: Evidence) -> Finding:
        split, missing = outcomes.split, ~outcomes.labelled
        share = share_of("unlabelled_share", missing, "any content")
        value = estimate(share, outcomes.design, evidence.confidence)
        if evidence.data.target is None:
            value = Estimate.undefined(self.say("no_target"), outcomes.rows)
        bad = value.low is not None and value.low > self.unlabelled_tolerance
        return self.finding(
            "unlabelled_share",
            Scope(split=split),
            value,
            title=self.say("unlabelled", split=split, value=span(value, share=True)),
            explanation=self.say("unlabelled_why" if missing.any() else "labelled"),
            **self._verdict(bad, "unlabelled_remedy", outcomes.rows_where(missing), split),
        )

    def _verdict(self, bad: bool, remedy: str, rows: int, split: str) -> dict[str, Any]:
        """The fields that tell a warning from a statement."""
        return {
            "status": Status.WARN if bad else Status.INFO,
            "better": Better.LOWER,
            "remedy": self.say(remedy) if bad else None,
            "affected": self.say("affected", rows=count(rows), split=split) if bad else None,
        }


def _exact(found: int, rows: int, why_not: str | None) -> Estimate:
    return Estimate.undefined(why_not, rows) if why_not is not None else Estimate.exact(found / rows, rows)

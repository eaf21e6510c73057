"""Findings on single groups, turned into one matrix an attribute: groups down, metrics across."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from auditkit.core.finding import Finding
from auditkit.report.labels import group_name, metric_label
from auditkit.report.messages import cut, text
from auditkit.report.numbers import count
from auditkit.report.privacy import SUPPRESSED
from auditkit.report.text import line
from auditkit.report.values import ShownValue, shown_value

_GROUPS_FOUND = "groups_found"


@dataclass(frozen=True)
class GroupRow:
    """One group; `cells` follow the matrix's metrics, None where that metric was not measured for this group; `values`
    are the numbers in them, None where there is none or it is not shown.

    `few` says that few rows stand behind each of its numbers.
    """

    group: str
    n: int | None
    cells: tuple[ShownValue | None, ...]
    few: bool
    values: tuple[float | None, ...] = ()

    @property
    def hidden(self) -> bool:
        """Whether every number of this group was left out."""
        return all(cell is None or cell.suppressed for cell in self.cells)

    def n_text(self, min_cell: int) -> str:
        """How many rows the group has; below `min_cell` only that it is below."""
        if self.n is not None:
            return count(self.n)
        return text("small.value", min_cell=min_cell) if self.few else text("small.shown")

    def why(self, min_cell: int) -> str:
        """Why the whole row was left out."""
        small = text("small.value", min_cell=min_cell)
        return text("hidden.group", small=small) if self.few else text("hidden.group.rate")


@dataclass(frozen=True)
class GroupMatrix:
    """The rates of every group of one attribute on one split."""

    attribute: str
    split: str
    metrics: tuple[str, ...]
    #: The metric and the class of each column.
    keys: tuple[tuple[str, str | None], ...]
    rows: tuple[GroupRow, ...]
    method: str
    confidence: str
    note: str = ""
    #: How many groups the attribute has, with those that have no finding of their own.
    groups: int = 0


def is_group_rate(finding: Finding) -> bool:
    """Whether a finding belongs in a matrix: one group of one attribute, and nothing else that tells it apart."""
    scope = finding.scope
    single = scope.attribute is not None and scope.compared is None and len(scope.groups or ()) == 1
    return single and not (scope.slice or scope.condition or scope.feature or scope.layer or scope.reference)


def group_matrices(findings: Iterable[Finding]) -> list[GroupMatrix]:
    """One matrix for each attribute and split, in the order in which they first occur; gated findings are left out."""
    sorted_out: dict[tuple[str, str], list[Finding]] = {}
    groups: dict[tuple[str, str], int] = {}
    for finding in findings:
        key = (finding.scope.attribute or "", finding.scope.split or "")
        if finding.metric == _GROUPS_FOUND and finding.value is not None:
            groups[key] = int(finding.value)
        elif finding.gate is None and is_group_rate(finding):
            sorted_out.setdefault(key, []).append(finding)
    return [_with_total(_matrix(*key, found), groups.get(key, 0)) for key, found in sorted_out.items()]


def _with_total(matrix: GroupMatrix, groups: int) -> GroupMatrix:
    total = max(groups, len(matrix.rows))
    return replace(matrix, groups=total, note=cut("more.groups", len(matrix.rows), total))


def trimmed(matrix: GroupMatrix, groups: int, columns: int) -> GroupMatrix:
    """The matrix with no more groups and metrics than that: the groups furthest out stay, and metrics of single classes
    go first."""
    order = sorted(range(len(matrix.metrics)), key=lambda i: matrix.keys[i][1] is not None)
    kept = sorted(order[:columns])
    notes = (
        cut("more.columns", len(kept), len(order)),
        cut("more.groups", min(groups, len(matrix.rows)), matrix.groups),
    )
    cut_down = replace(_with(matrix, kept), note=" ".join(note for note in notes if note))
    return replace(cut_down, rows=furthest(cut_down.rows, groups))


def furthest(rows: Sequence[GroupRow], most: int) -> tuple[GroupRow, ...]:
    """No more rows than that, in their order: the lowest and highest of each metric in turn, then the first ones."""
    if len(rows) <= most:
        return tuple(rows)
    ends = []
    for column in range(len(rows[0].values)):
        known = [(value, at) for at, row in enumerate(rows) if (value := row.values[column]) is not None]
        ordered = [at for _, at in sorted(known)]
        ends += [ordered[:most], ordered[::-1][:most]]
    in_turn = [at for places in zip_longest(*ends) for at in places if at is not None]
    kept = list(dict.fromkeys([*in_turn, *range(len(rows))]))[:most]
    return tuple(rows[at] for at in sorted(kept))


def only(matrix: GroupMatrix, wanted: Collection[tuple[str, str | None]]) -> GroupMatrix:
    """The matrix with the columns of these metrics and classes alone; a class of None stands for every class."""
    kept = [i for i, (metric, class_) in enumerate(matrix.keys) if {(metric, class_), (metric, None)} & set(wanted)]
    return _with(matrix, kept)


def _with(matrix: GroupMatrix, columns: Sequence[int]) -> GroupMatrix:
    return replace(
        matrix,
        metrics=tuple(matrix.metrics[i] for i in columns),
        keys=tuple(matrix.keys[i] for i in columns),
        rows=tuple(
            replace(row, cells=tuple(row.cells[i] for i in columns), values=tuple(row.values[i] for i in columns))
            for row in matrix.rows
        ),
    )


def _column(finding: Finding) -> str:
    label = metric_label(finding.metric)
    return label if finding.scope.class_ is None else f"{label}, class {line(finding.scope.class_)}"


def _matrix(attribute: str, split: str, findings: list[Finding]) -> GroupMatrix:
    columns = {_column(f): (f.metric, f.scope.class_) for f in findings}
    metrics = tuple(columns)
    groups = dict.fromkeys((f.scope.groups or ("",))[0] for f in findings)
    cells = {((f.scope.groups or ("",))[0], _column(f)): f for f in findings}
    rows = []
    for group in groups:
        found = [cells.get((group, metric)) for metric in metrics]
        sizes = [f.n for f in found if f is not None and f.n is not None]
        values = tuple(None if f is None else shown_value(f) for f in found)
        hidden = any(value is not None and value.suppressed for value in values)
        # An empty denominator must not pass for an empty group where the group's size was left out.
        size = None if hidden and not any(sizes) else max(sizes, default=None)
        few = all(f is None or f.method == SUPPRESSED for f in found)
        numbers = tuple(None if f is None else f.value for f in found)
        rows.append(GroupRow(group_name(group), size, values, few, numbers))
    methods = dict.fromkeys(f.method for f in findings if f.method and f.interval)
    confidences = {shown_value(f).confidence for f in findings if f.interval}
    return GroupMatrix(
        attribute=line(attribute),
        split=line(split),
        metrics=metrics,
        keys=tuple(columns.values()),
        rows=tuple(rows),
        method=", ".join(line(m) for m in methods),
        confidence=confidences.pop() if len(confidences) == 1 else "",
    )

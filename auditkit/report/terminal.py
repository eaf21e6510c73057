"""What `auditkit run` and `auditkit gate` print on stdout: the verdict on one line, then the gates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditkit.core.audit import Audit
from auditkit.core.finding import Finding
from auditkit.core.types import Status, Verdict
from auditkit.report.grouped import GroupMatrix, GroupRow, furthest, group_matrices, only
from auditkit.report.labels import bounds_text, finding_label
from auditkit.report.messages import cut, text
from auditkit.report.numbers import count
from auditkit.report.privacy import protect
from auditkit.report.small import rates_behind
from auditkit.report.text import terminal
from auditkit.report.values import ShownValue, shown_value
from auditkit.report.verdict import verdict_sentence

_STYLES = {
    Status.PASS: "green",
    Status.FAIL: "bold red",
    Status.INCONCLUSIVE: "yellow",
    Status.ERROR: "bold magenta",
}
_VERDICTS = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.ERROR: "bold magenta",
    Verdict.UNJUDGED: "bold",
}
MIN_WIDTH = 40
#: Narrower than this, gates stand below each other instead of in a table; so they do where names and reasons would
#: have less than this together, beside bounds that are never broken.
TABLE_WIDTH = 110
WORDS_WIDTH = 50
#: Between two columns, and what a group's name may take.
_BETWEEN = 3
#: Stands for a space at which no line breaks; text from an audit can't hold it, as it is not printable.
_GLUE = "\ue000"
_INTERVAL = re.compile(r"\[[^\[\]]{1,60}\]")
_MOST_NAME = 28
#: So many gates and groups are printed; what is left out is counted, and stands in audit.json.
_MOST_GATES, _MOST_GROUPS = 100, 40


def verdict_table(
    audit: Audit, *, color: bool, width: int, quiet: bool = False, groups: bool = False, all_groups: bool = False
) -> str:
    """The verdict and the gates as text that ends in a newline.

    `width` is that of the terminal in columns; `quiet` leaves the verdict alone; `groups` adds the rates of each group
    that a gate is about, `all_groups` every one. Names from the data can't colour the text, move the cursor, or speak
    to a CI runner.
    """
    shown = protect(audit)
    console = Console(
        file=StringIO(),
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        width=max(width, MIN_WIDTH),
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        word = Text(shown.verdict.value.upper(), style=_VERDICTS[shown.verdict])
        console.print(word.append(f"  {terminal(verdict_sentence(shown), 1000)}", style="not bold default"))
        if not quiet:
            _print_gates(console, _first(shown.gated))
            if left_out := cut("more.rows", _MOST_GATES, len(shown.gated)):
                console.print(Text(left_out), end="\n\n")
            matrices = group_matrices(shown.findings) if groups or all_groups else []
            for matrix in matrices if all_groups else _gated(matrices, shown.gated):
                few = replace(matrix, rows=furthest(matrix.rows, _MOST_GROUPS))
                for table in _rates(few, console.width):
                    console.print(table)
                if left_out := cut("more.groups", len(few.rows), matrix.groups):
                    console.print(Text(left_out), end="\n\n")
    return "\n".join(row.rstrip() for row in capture.get().replace(_GLUE, " ").rstrip().splitlines()) + "\n"


def _first(gated: Sequence[Finding]) -> list[Finding]:
    """The gates that are printed: where there are too many, those that did not pass come first."""
    if len(gated) <= _MOST_GATES:
        return list(gated)
    return sorted(gated, key=lambda finding: finding.status is Status.PASS)[:_MOST_GATES]


def _table(title: str | None = None) -> Table:
    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)


def _print_gates(console: Console, gated: Sequence[Finding]) -> None:
    if not gated:
        return
    if console.width >= TABLE_WIDTH and console.width - _unbroken(gated) >= WORDS_WIDTH:
        console.print(_gates(gated))
        return
    for finding in gated:
        console.print()
        console.print(*_gate(finding), sep="\n")
    console.print()


def _unbroken(gated: Sequence[Finding]) -> int:
    """The width of the columns of a table of gates that are never broken, and of what lies between all six."""
    values = [(shown_value(finding), finding) for finding in gated]
    columns = [
        [value.number for value, _ in values],
        [value.interval for value, _ in values],
        [bounds_text(finding.gate) for _, finding in values if finding.gate],
        [finding.status.value for _, finding in values],
    ]
    return sum(max(map(cell_len, column), default=0) + _BETWEEN for column in columns) + _BETWEEN


def _gate(finding: Finding) -> list[Text]:
    """A gate on lines of its own: outcome and name, then numbers and bound, then the reason."""
    value = shown_value(finding)
    bounds = bounds_text(finding.gate) if finding.gate else ""
    numbers = " ".join(part for part in (value.number, value.interval) if part)
    head = Text(finding.status.value, style=_STYLES.get(finding.status, ""))
    lines = [head.append(f"  {terminal(finding_label(finding))}", style="not bold default")]
    lines.append(Text(f"{terminal(numbers)}, {bounds}"))
    return [*lines, _reason(finding)] if finding.reason else lines


def _reason(finding: Finding) -> Text:
    """Why it came out so, the intervals in it held together."""
    return Text(_INTERVAL.sub(lambda m: m[0].replace(" ", _GLUE), terminal(finding.reason or "", 400)))


def _gates(gated: Sequence[Finding]) -> Table:
    """A table whose numbers, bounds and outcomes are never broken; the names and reasons share the rest."""
    table = _table()
    table.add_column("gate", ratio=3)
    for name in ("value", "interval", "bound", "status"):
        table.add_column(name, no_wrap=True)
    if any(f.reason for f in gated):
        table.add_column("reason", ratio=4)
    for finding in gated:
        value = shown_value(finding)
        row = [
            Text(terminal(finding_label(finding))),
            Text(terminal(value.number)),
            Text(value.interval),
            Text(bounds_text(finding.gate) if finding.gate else ""),
            Text(finding.status.value, style=_STYLES.get(finding.status, "")),
        ]
        if len(table.columns) == len(row) + 1:
            row.append(_reason(finding))
        table.add_row(*row)
    return table


def _gated(matrices: Sequence[GroupMatrix], gated: Sequence[Finding]) -> list[GroupMatrix]:
    """The matrices of gated attributes, with the rates that the gates are about."""
    wanted: dict[tuple[str, str], set[tuple[str, str | None]]] = {}
    for finding in gated:
        scope = finding.scope
        if scope.attribute:
            rates = {(rate, scope.class_) for rate in rates_behind(finding.metric)}
            wanted.setdefault((scope.attribute, scope.split or ""), set()).update(rates)
    found = [(m, wanted.get((m.attribute, m.split), set())) for m in matrices]
    return [only(matrix, rates) for matrix, rates in found if rates]


def _rates(matrix: GroupMatrix, width: int) -> list[Table]:
    """The rates of the groups, in as many tables as the width asks for; only what is wider than a line is broken."""
    split = text("on.split", split=matrix.split) if matrix.split else ""
    names = [terminal(row.group) for row in matrix.rows]
    name = min(max((cell_len(n) for n in ["group", *names]), default=0), _MOST_NAME)
    left = width - name - _BETWEEN - 8 - _BETWEEN
    wide = [_width(matrix, i) for i in range(len(matrix.metrics))]
    # A value and its interval stand on one line each where both together leave no room.
    stacked = max(wide, default=0) + _BETWEEN > left
    return [
        _rate_table(terminal(f"{matrix.attribute}{split}"), matrix, columns, name, stacked)
        for columns in _packed([w + _BETWEEN for w in wide], left)
    ]


def _width(matrix: GroupMatrix, column: int) -> int:
    cells = (_cell(row.cells[column], " ") for row in matrix.rows)
    return max(cell_len(part) for part in (*terminal(matrix.metrics[column]).split(), *cells, ""))


def _packed(widths: Sequence[int], room: int) -> list[list[int]]:
    """The columns in runs that fit beside each other, at least one in each."""
    runs: list[list[int]] = []
    used = room + 1
    for column, width in enumerate(widths):
        if used + width > room:
            runs.append([])
            used = 0
        runs[-1].append(column)
        used += width
    return runs


def _rate_table(title: str, matrix: GroupMatrix, columns: Sequence[int], name: int, stacked: bool) -> Table:
    table = _table(title)
    table.add_column("group", max_width=name, overflow="fold")
    table.add_column("rows", justify="right", no_wrap=True)
    for column in columns:
        table.add_column(_header(matrix, column), overflow="fold")
    for row in matrix.rows:
        cells = (Text(_cell(row.cells[column], "\n" if stacked else " "), no_wrap=True) for column in columns)
        table.add_row(Text(terminal(row.group)), _rows(row), *cells)
    return table


def _header(matrix: GroupMatrix, column: int) -> Text:
    """The metric's name, broken at words into lines no wider than its cells."""
    most = _width(matrix, column)
    lines: list[str] = []
    for word in terminal(matrix.metrics[column]).split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return Text("\n".join(lines))


def _rows(row: GroupRow) -> str:
    return "" if row.n is None else count(row.n)


def _cell(value: ShownValue | None, between: str) -> str:
    return between.join(part for part in (terminal(value.number), value.interval) if part) if value else ""

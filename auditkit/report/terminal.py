"""What `auditkit run` and `auditkit gate` print on stdout: the verdict on one line, then the gates."""

from __future__ import annotations

from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditkit.core.audit import Audit
from auditkit.core.finding import Finding
from auditkit.core.types import Status, Verdict
from auditkit.report.grouped import GroupMatrix, group_matrices
from auditkit.report.labels import bounds_text, finding_label
from auditkit.report.messages import text
from auditkit.report.numbers import count
from auditkit.report.privacy import protect
from auditkit.report.text import terminal
from auditkit.report.values import shown_value
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


def verdict_table(audit: Audit, *, color: bool, width: int, quiet: bool = False, groups: bool = False) -> str:
    """The verdict and the gates as text that ends in a newline.

    `width` is that of the terminal in columns; `quiet` leaves the verdict alone; `groups` adds the rates of each
    group. Names from the data can't colour the text, move the cursor, or speak to a CI runner.
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
            if shown.gated:
                console.print(_gates(shown.gated))
            for matrix in group_matrices(shown.findings) if groups else ():
                console.print(_rates(matrix))
    return "\n".join(row.rstrip() for row in capture.get().rstrip().splitlines()) + "\n"


def _table(title: str | None = None) -> Table:
    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)


def _gates(gated: tuple[Finding, ...]) -> Table:
    table = _table()
    table.add_column("gate", overflow="fold", ratio=4)
    for name in ("value", "interval", "bound"):
        table.add_column(name, no_wrap=name == "interval", overflow="fold")
    table.add_column("status", no_wrap=True)
    if any(f.reason for f in gated):
        table.add_column("reason", overflow="fold", ratio=4)
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
            row.append(Text(terminal(finding.reason or "", 400)))
        table.add_row(*row)
    return table


def _rates(matrix: GroupMatrix) -> Table:
    split = text("on.split", split=matrix.split) if matrix.split else ""
    table = _table(terminal(f"{matrix.attribute}{split}"))
    table.add_column("group", overflow="fold")
    table.add_column("rows", justify="right")
    for metric in matrix.metrics:
        table.add_column(terminal(metric), overflow="fold")
    for row in matrix.rows:
        cells = [f"{cell.number} {cell.interval}".strip() if cell else "" for cell in row.cells]
        rows = "" if row.n is None else count(row.n)
        table.add_row(Text(terminal(row.group)), rows, *(Text(terminal(cell)) for cell in cells))
    return table

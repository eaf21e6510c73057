"""RESULTS.md: what all runs of the driver came to, a table between two marks; the text around it is by hand."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.fuzz.corpus import kept
from tests.fuzz.targets import TARGETS

RESULTS = Path(__file__).parent / "RESULTS.md"
START, END = "<!-- runs -->", "<!-- end of runs -->"


def write_results(log: Path) -> str:
    """Put the table of the runs in `log` into RESULTS.md; gives one line on it."""
    runs = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    before, _, rest = RESULTS.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    RESULTS.write_text(f"{before}{START}\n{_table(runs)}\n{END}{after}", encoding="utf-8")
    seconds = sum(run["seconds"] for run in runs)
    return f"{len(runs)} runs, {seconds / 60:.0f} minutes"


def _table(runs: list[dict[str, Any]]) -> str:
    of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        of[run["target"]].append(run)
    lines = [
        "| target | executions | of them accepted | minutes | inputs found | inputs kept | crashes, last run |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    total = [0, 0, 0.0, 0, 0, 0]
    for name, target in TARGETS.items():
        own = of.get(name, [])
        if not own:
            continue
        cells = [
            sum(run["executions"] for run in own),
            sum(run["accepted"] for run in own),
            sum(run["seconds"] for run in own) / 60,
            max(run["inputs"] for run in own),
            len(kept(target)),
            len(own[-1]["crashes"]),
        ]
        total = [a + b for a, b in zip(total, cells, strict=True)]
        lines.append(_row(f"`{name}`: {target.about}", cells))
    return "\n".join([*lines, _row("**all**", total)])


def _row(name: str, cells: list[Any]) -> str:
    return "| " + " | ".join([name, *(f"{c:,.1f}" if isinstance(c, float) else f"{c:,}" for c in cells)]) + " |"

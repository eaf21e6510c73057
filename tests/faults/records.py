"""The table of faults tried and survived: every test adds lines to it, and the end of the session joins them.

Lines go to the file that the environment names, one JSON object a line, so that many processes may write at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "AUDITKIT_FAULTS_RECORDS"
WHOLE = "AUDITKIT_FAULTS_WHOLE"

HEAD = "| fault | stage | times | what happened | exit codes |\n| --- | --- | ---: | --- | --- |\n"


@dataclass(frozen=True)
class Record:
    """One fault that was tried. `codes` are the exit codes that were answered, of a killed process its signal."""

    fault: str
    stage: str
    happened: str
    codes: tuple[int, ...] = ()


def record(fault: str, stage: str, happened: str, *codes: int) -> None:
    """Add a line; without a file to add to, nothing."""
    path = os.environ.get(VARIABLE)
    if path:
        line = json.dumps(asdict(Record(fault, stage, happened, codes))) + "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def read_records(path: Path) -> list[Record]:
    """The lines of a file, in the order in which they were written."""
    if not path.is_file():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Record(**{**line, "codes": tuple(line["codes"])}) for line in lines]


def markdown(records: Iterable[Record]) -> str:
    """One row for each fault, stage and what happened, with how often."""
    rows: dict[tuple[str, str, str], list[Record]] = {}
    for found in records:
        rows.setdefault((found.fault, found.stage, found.happened), []).append(found)
    lines = []
    for (fault, stage, happened), group in sorted(rows.items()):
        codes = sorted({code for found in group for code in found.codes})
        lines.append(f"| {fault} | {stage} | {len(group):,} | {happened} | {', '.join(map(str, codes)) or '–'} |\n")
    return HEAD + "".join(lines)


def whole() -> bool:
    """Whether everything is to be tried (`python -m tests.faults`), not only what fits into the ordinary suite."""
    return bool(os.environ.get(WHOLE))


def share(points: list[int], few: int) -> list[int]:
    """All of `points` where everything is to be tried, else `few` of them, evenly spread, the first and last among."""
    if whole() or len(points) <= few:
        return points
    return [points[round(i * (len(points) - 1) / (few - 1))] for i in range(few)]

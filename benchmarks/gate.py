"""`auditkit gate` on files of 1, 10 and 100 million rows, against only reading the same columns once.

    python benchmarks/gate.py                         1 and 10 million rows
    python benchmarks/gate.py --rows 1e6,1e7,1e8      others
    python benchmarks/gate.py --save                  also writes the table to benchmarks/results/gate.md

Every figure is the median of three runs, each in a process of its own, on one thread; reading and gating take turns.
The file has two sensitive columns (2 and 5 groups), label and decision, in every other line of the table scores, too;
one gate on equalized odds, with scores one on AUC.
"Reading" is `pyarrow.parquet` over the same columns with the same decoder, and includes Python's start and the import
of pyarrow, as the gate includes its own. `each further row` leaves both out: the CPU that a file of this size takes
above the one before it, of gating over that of reading.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

REPEATS = 3
BLOCK = 1 << 20
COLUMNS = ("sex", "race", "y", "p")
READ = """
import sys, pyarrow.parquet as pq
file = pq.ParquetFile(sys.argv[1], read_dictionary=["sex", "race"])
for batch in file.iter_batches(8192, columns=sys.argv[2].split(","), use_threads=False):
    pass
"""


@dataclass(frozen=True)
class Cost:
    """Of one process: wall and CPU seconds, and its peak memory in MB."""

    wall: float
    cpu: float
    memory: float


def write(path: Path, rows: int, score: bool) -> None:
    """Predictions of a fair model, with continuous scores or without."""
    rng = np.random.default_rng(0)
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        sex, race = rng.integers(0, 2, size, dtype=np.int8), rng.choice(5, size, p=[0.6, 0.15, 0.1, 0.1, 0.05])
        y = rng.random(size) < 0.35
        scores = 1 / (1 + np.exp(1 - 1.5 * y - rng.normal(size=size)))
        columns = {
            "sex": pa.DictionaryArray.from_arrays(pa.array(sex), pa.array(["Female", "Male"])).cast(pa.string()),
            "race": pa.DictionaryArray.from_arrays(pa.array(race.astype(np.int8)), pa.array([*"ABCDE"])).cast(
                pa.string()
            ),
            "y": pa.array(y.astype(np.int64)),
            "p": pa.array((scores >= 0.5).astype(np.int64)),
        }
        if score:
            columns["score"] = pa.array(scores)
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def cost(command: Sequence[str]) -> Cost:
    """Run a command in a child of a child, so that `RUSAGE_CHILDREN` is that of this command alone."""
    probe = (
        "import resource, subprocess, sys, time; began = time.perf_counter(); "
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; "
        "u = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(code, time.perf_counter() - began, u.ru_utime + u.ru_stime, u.ru_maxrss / 1024)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", probe, *command], check=True, capture_output=True, text=True, env=environment
    )
    code, *figures = done.stdout.split()
    assert code in ("0", "5"), (command, code, done.stderr)
    return Cost(*map(float, figures))


def median(costs: Sequence[Cost]) -> Cost:
    """Each figure's own median."""
    return Cost(
        *(statistics.median(values) for values in zip(*((c.wall, c.cpu, c.memory) for c in costs), strict=True))
    )


def pair(path: Path, score: bool) -> tuple[Cost, Cost]:
    """What reading costs, and what gating costs."""
    names = ",".join((*COLUMNS, "score") if score else COLUMNS)
    read = [sys.executable, "-c", READ, str(path), names]
    gate = [str(Path(sys.executable).with_name("auditkit")), "gate", str(path), "--target", "y", "--prediction", "p"]
    gate += ["--positive", "1", "--sensitive", "sex", "--sensitive", "race", "--max", "equalized_odds_difference=0.1"]
    gate += ["--score", "score", "--min", "roc_auc=0.5"] if score else []
    costs = [(cost(read), cost(gate)) for _ in range(REPEATS)]
    return median([c for c, _ in costs]), median([c for _, c in costs])


def measure(sizes: Sequence[int]) -> str:
    """The table."""
    lines = [
        "| rows | columns | gate, s | rows a second | CPU, s | peak memory, MB | reading, CPU s | gate / reading | "
        "each further row |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    before: dict[bool, tuple[Cost, Cost]] = {}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "predictions.parquet"
        for rows in sizes:
            for score in (False, True):
                write(path, rows, score)
                read, gate = pair(path, score)
                further = ""
                if score in before:
                    further = f"{(gate.cpu - before[score][1].cpu) / (read.cpu - before[score][0].cpu):.1f}"
                before[score] = (read, gate)
                lines.append(
                    f"| {rows:,} | {'5' if score else '4'} | {gate.wall:.2f} | {rows / gate.wall:,.0f} "
                    f"| {gate.cpu:.2f} | {gate.memory:.0f} | {read.cpu:.2f} | {gate.cpu / read.cpu:.1f} | {further} |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1e6,1e7")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    table = measure([int(float(rows)) for rows in options.rows.split(",")])
    print(table)
    if options.save:
        where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        note = __doc__.split("\n\n")[2].replace("\n", " ")
        path = Path(__file__).parent / "results" / "gate.md"
        path.write_text(f"{where}, pyarrow {pa.__version__}.\n\n{note}\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What auditkit bears: very many rows, groups, columns, classes, gates; long texts; audits in a row and at once.

    python benchmarks/load.py                          every case
    python benchmarks/load.py --only rows,groups       those whose names hold one of these words
    python benchmarks/load.py --save                   also writes the tables to benchmarks/results/load.md

Each case writes its data into a temporary directory (up to 3 GB, under `TMPDIR`), runs one command in a process of its
own, on one thread, and compares a number of the result with what the data were counted to hold; an exit code or a
number that is not the expected one ends the script. `peak` is the largest resident memory of the command or of one of
its children. The last table is of 500 audits in a row in one process by the Python API, and of eight runs at once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import load_cases as cases
from benchmarks.load_many import ENVIRONMENT, at_once, in_a_row

AUDITKIT = (sys.executable, "-m", "auditkit", "--quiet")
GATE = ("--target", "label", "--prediction", "prediction", "--positive", "1")


@dataclass(frozen=True)
class Prepared:
    """A command, the exit code that it must give, and where the number stands that it must find."""

    command: tuple[str, ...]
    code: int
    metric: str = ""
    value: float = 0.0
    check: str = "performance.summary"


@dataclass(frozen=True)
class Cost:
    """Of one command."""

    code: int
    wall: float
    cpu: float
    peak: float
    said: str


def cost(command: Sequence[str]) -> Cost:
    """Run a command in a child of a child, so that `RUSAGE_CHILDREN` is that of this command and its children alone."""
    probe = (
        "import resource, subprocess, sys, time; began = time.perf_counter(); "
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True); "
        "u = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(done.returncode, time.perf_counter() - began, u.ru_utime + u.ru_stime, u.ru_maxrss / 1024); "
        "print(done.stderr[-2000:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, *command], check=True, capture_output=True, text=True, env=ENVIRONMENT
    )
    figures, _, said = done.stdout.partition("\n")
    code, *rest = figures.split()
    return Cost(int(code), *map(float, rest), said)


def gate(path: Path, *options: str) -> tuple[str, ...]:
    """`auditkit gate` on a file of `load_cases`."""
    return (*AUDITKIT, "gate", str(path), *GATE, *options)


def run(plan: Path) -> tuple[str, ...]:
    """`auditkit run`."""
    return (*AUDITKIT, "run", str(plan))


def rows_case(rows: int, suffix: str, *, more: bool = False) -> Callable[[Path], Prepared]:
    """A predictions file of so many rows, with clusters and weights (`more`) or without."""

    def prepare(directory: Path) -> Prepared:
        path = directory / f"predictions.{suffix}"
        truth = cases.predictions(path, rows, clusters=1000 if more else 0, weights=more)
        options = ["--sensitive", "sex", "--score", "score", "--max", "demographic_parity_difference=0.1"]
        options += ["--cluster", "person", "--weight", "weight"] if more else []
        return Prepared(gate(path, *options), 0, "demographic_parity_difference", truth.parity, "bias.groups")

    return prepare


def groups_gated(directory: Path) -> Prepared:
    """Ten thousand groups, gated."""
    truth = cases.many_groups(directory / "p.parquet", 10_000, 100)
    options = ("--sensitive", "shop", "--max", "demographic_parity_difference=0.95")
    found = ("demographic_parity_difference", truth.parity, "bias.groups")
    return Prepared(gate(directory / "p.parquet", *options), 0, *found)


def groups_run(directory: Path) -> Prepared:
    """Ten thousand declared groups, by a plan with the whole suite."""
    truth = cases.many_groups(directory / "test.parquet", 10_000, 100)
    data = ["splits: {test: test.parquet}", "target: label", "positive: 1", "sensitive: [shop]",
            f"groups: {{shop: [{', '.join(cases.group_names(10_000))}]}}"]  # fmt: skip
    gates = ["{check: bias.groups, metric: demographic_parity_difference, by: shop, max: 0.95}"]
    plan = cases.write_plan(directory / "audit.yaml", "{kind: predictions, prediction: prediction}", data, gates)
    return Prepared(run(plan), 0, "demographic_parity_difference", truth.parity, "bias.groups")


def gates_run(directory: Path) -> Prepared:
    """A thousand gates, one a group."""
    truth = cases.many_groups(directory / "test.parquet", 1000, 100)
    data = ["splits: {test: test.parquet}", "target: label", "positive: 1", "sensitive: [shop]"]
    gates = [
        f"{{check: bias.groups, metric: accuracy, by: shop, group: {name}, min: 0.2}}"
        for name in cases.group_names(1000)
    ]
    plan = cases.write_plan(directory / "audit.yaml", "{kind: predictions, prediction: prediction}", data, gates)
    return Prepared(run(plan), 0, "accuracy", truth.accuracy)


def classes_case(scores: bool) -> Callable[[Path], Prepared]:
    """A thousand classes, with a column of scores for each or with labels alone."""

    def prepare(directory: Path) -> Prepared:
        accuracy = cases.many_classes(directory / "test.parquet", 1000, 20_000, scores=scores)
        named = ", ".join(f"c{i}: s{i}" for i in range(1000))
        model = "{kind: predictions, prediction: prediction" + (f", scores: {{{named}}}}}" if scores else "}")
        data = ["splits: {test: test.parquet}", "target: label", "sensitive: [sex]"]
        return Prepared(run(cases.write_plan(directory / "audit.yaml", model, data)), 0, "accuracy", accuracy)

    return prepare


def columns_run(directory: Path) -> Prepared:
    """Two thousand inputs of a scikit-learn model, every check and probe."""
    accuracy = cases.many_columns(directory, 2000, 3000)
    data = ["splits: {train: train.parquet, test: test.parquet}", "target: label", "positive: 1", "sensitive: [sex]"]
    plan = cases.write_plan(directory / "audit.yaml", "{kind: sklearn, path: model.skops}", data)
    return Prepared(run(plan), 0, "accuracy", accuracy)


def texts_case(where: str, suffix: str) -> Callable[[Path], Prepared]:
    """A megabyte in one cell: of a column that is read, or of one that nobody needs."""

    def prepare(directory: Path) -> Prepared:
        rng = np.random.default_rng(0)
        label = rng.integers(0, 2, 1000).astype(str).tolist()
        columns = {"label": label, "prediction": label[::-1], "sex": ["F", "M"] * 500, "note": ["-"] * 1000}
        columns[where] = ["A" * 1_000_000, *columns[where][1:]]
        path = cases.text_file(directory / f"p.{suffix}", columns)
        right = float(np.mean([a == b for a, b in zip(label, label[::-1], strict=True)]))
        command = gate(path, "--sensitive", "sex", "--min", "accuracy=0.1")
        return Prepared(command, 0, "accuracy", right) if where == "note" else Prepared(command, 4)

    return prepare


def documents(directory: Path) -> Prepared:
    """Half a gigabyte of text beside 500 predictions."""
    label = np.random.default_rng(0).integers(0, 2, 500).astype(str).tolist()
    texts = [f"{i} " + "A" * 1_000_000 for i in range(500)]
    columns = {"label": label, "prediction": label, "sex": ["F", "M"] * 250, "note": texts}
    path = cases.text_file(directory / "p.parquet", columns)
    return Prepared(gate(path, "--sensitive", "sex", "--min", "accuracy=0.1"), 0, "accuracy", 1.0)


CASES: dict[str, Callable[[Path], Prepared]] = {
    "100 million rows, parquet": rows_case(100_000_000, "parquet"),
    "10 million rows, parquet, clusters and weights": rows_case(10_000_000, "parquet", more=True),
    "10 million rows, CSV": rows_case(10_000_000, "csv"),
    "10,000 groups, gate": groups_gated,
    "10,000 declared groups, run": groups_run,
    "1,000 gates, run": gates_run,
    "1,000 classes with scores, run": classes_case(scores=True),
    "1,000 classes, labels only, run": classes_case(scores=False),
    "2,000 columns, run": columns_run,
    "a megabyte in a group, CSV": texts_case("sex", "csv"),
    "a megabyte in a label, JSONL": texts_case("label", "jsonl"),
    "a megabyte in a cell that nobody needs, parquet": texts_case("note", "parquet"),
    "500 megabytes of texts that nobody needs": documents,
}


def found_value(out: Path, wanted: Prepared) -> float | None:
    """The number that the audit found."""
    audit = json.loads((out / "audit.json").read_text())
    every = [f for f in audit["findings"] if (f["check"], f["metric"]) == (wanted.check, wanted.metric)]
    one = [f for f in every if not f["gate"] and f["scope"]["split"] == "test"]
    assert len(one) == 1, (wanted.metric, len(one))
    value: float | None = one[0]["value"]
    return value


def kilobytes(path: Path) -> str:
    """A file's size, or nothing where there is none."""
    return f"{path.stat().st_size / 1000:,.0f}" if path.is_file() else ""


def measured(name: str, prepare: Callable[[Path], Prepared]) -> str:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, out = prepare(Path(folder)), Path(folder) / "out"
        spent = cost([*wanted.command, "--out", str(out)])
        assert spent.code == wanted.code, (name, spent)
        error = ""
        if wanted.metric:
            value = found_value(out, wanted)
            assert value is not None, name
            error = f"{abs(value - wanted.value):.0e}"
            assert abs(value - wanted.value) < 1e-6, (name, value, wanted.value)
        sizes = f"{kilobytes(out / 'audit.json')} | {kilobytes(out / 'report.html')}"
        return f"| {name} | {spent.code} | {spent.wall:.1f} | {spent.cpu:.1f} | {spent.peak:,.0f} | {error} | {sizes} |"


def large(names: Sequence[str]) -> Iterator[str]:
    """The table of large inputs."""
    yield "| case | exit code | seconds | CPU, s | peak, MB | error of the value | audit.json, kB | report.html, kB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name in names:
        yield measured(name, CASES[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    words = [word for word in options.only.split(",") if word]
    lines: list[str] = []

    def show(more: Iterator[str]) -> None:
        for line in more:
            print(line, flush=True)
            lines.append(line)

    names = [name for name in CASES if not words or any(word in name for word in words)]
    if names:
        show(large(names))
    for name, part in (("row", in_a_row), ("at once", at_once)):
        if not words or any(word in name for word in words):
            show(iter([""]))
            show(part())
    if options.save:
        where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        note = __doc__.split("\n\n")[2].replace("\n", " ")
        path = Path(__file__).parent / "results" / "load.md"
        path.write_text(f"{where}, pyarrow {pa.__version__}.\n\n{note}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

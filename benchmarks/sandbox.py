"""What the sandbox of the worker costs an audit: against a worker without one, and against no worker at all.

    python benchmarks/sandbox.py            prints the tables
    python benchmarks/sandbox.py --save     also writes them to benchmarks/results/sandbox.md

The three take turns, each in a fresh process, on one thread; figures are medians, and shares are medians of the shares
in each round, so that what else the machine does weighs on all three alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

MODES = {"sandbox": "worker, sandbox", "bare": "worker, no sandbox", "inside": "no worker: the audit's own process"}
LARGE = 200_000
BATCH, COLUMNS, OUTPUTS = 65_536, 14, 8


def once(plan: Path, mode: str) -> dict[str, float | str]:
    """One audit in this process."""
    from auditkit.core.progress import SilentProgress
    from auditkit.models.trust import NOBODY, Trust
    from auditkit.pipeline import run
    from auditkit.pipeline.load import load_plan

    if mode == "inside":

        def open_here(plan, inputs, trust):
            from auditkit.models.trained import load_trained

            return load_trained(plan.model.path, "cpu")

        run._open_model = open_here
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        result = run.run_plan(
            load_plan(plan),
            out=Path(out) / "audit",
            resume=False,
            formats=("html",),
            allow_inconclusive=False,
            progress=SilentProgress(),
            trust=Trust(sandbox=False) if mode == "bare" else NOBODY,
        )
    wall = time.perf_counter() - began
    # One import of torch in all: the worker's, or this process's where there is no worker.
    assert ("torch" in sys.modules) == (mode == "inside"), "torch was imported where it should not be"
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    findings = [(finding.id, finding.value) for finding in result.audit.findings if finding.reproducible]
    return {
        "CPU, s": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        "wall, s": wall,
        "findings": json.dumps(findings),
        "isolation": result.audit.environment.isolation,
    }


def prepare(directory: Path, rows: int | None) -> Path:
    """The census demo with its trained network; `rows`: the test split, drawn with replacement to that size."""
    import pyarrow.parquet as pq

    from auditkit.core.progress import SilentProgress
    from auditkit.demos.census import write_demo
    from auditkit.pipeline.load import load_plan
    from auditkit.pipeline.train import train_plan

    plan = write_demo(directory)
    train_plan(load_plan(plan), out=None, resume=False, progress=SilentProgress())
    if rows is not None:
        table = pq.read_table(directory / "test.parquet")
        drawn = table.take(np.random.default_rng(0).integers(0, table.num_rows, rows))
        place = drawn.schema.get_field_index("row_id")
        ids = [f"r{n}" for n in range(rows)]
        pq.write_table(drawn.set_column(place, "row_id", [ids]), directory / "test.parquet")
    return plan


def measure(plan: Path, rounds: int) -> dict[str, list[dict[str, float | str]]]:
    """Each mode in each round, in fresh processes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    runs: dict[str, list[dict[str, float | str]]] = {mode: [] for mode in MODES}
    for _ in range(rounds):
        for mode in MODES:
            command = [sys.executable, __file__, "--once", str(plan), "--mode", mode]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            runs[mode].append(json.loads(done.stdout))
    assert len({run["findings"] for mode in MODES for run in runs[mode]}) == 1, "the findings differ"
    return runs


def table_of(title: str, runs: dict[str, list[dict[str, float | str]]]) -> str:
    """Medians, and what each costs more than a worker without a sandbox."""
    lines = [f"| {title} | CPU, s | wall, s | CPU against a bare worker |", "| --- | ---: | ---: | ---: |"]
    for mode, name in MODES.items():
        middle = {key: statistics.median(float(run[key]) for run in runs[mode]) for key in ("CPU, s", "wall, s")}
        shares = [
            float(run["CPU, s"]) / float(bare["CPU, s"]) - 1 for run, bare in zip(runs[mode], runs["bare"], strict=True)
        ]
        lines.append(
            f"| {name} | {middle['CPU, s']:.2f} | {middle['wall, s']:.2f} | {100 * statistics.median(shares):+.1f}% |"
        )
    return "\n".join(lines)


def wire() -> str:
    """Batches of many rows through a worker that answers zeros, by shared memory and by the socket, in turns."""
    from auditkit.models.worker import segments
    from auditkit.models.worker.client import open_in_worker
    from auditkit.models.worker.request import OpenRequest

    batch = {f"x{n}": np.random.default_rng(n).normal(size=BATCH) for n in range(COLUMNS)}
    options = {"name": "m.py", "function": "predict", "outputs": "values", "inputs": list(batch)}
    size = BATCH * (COLUMNS + OUTPUTS) * 8 / 1e6
    ways: dict[str, Callable[..., object]] = {"socket": lambda body, for_answers: None, "shared memory": segments.make}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "m.py"
        path.write_text(f"import numpy as np\ndef predict(frame): return np.zeros((len(frame), {OUTPUTS}))\n")
        request = OpenRequest("python", path, "cpu", options)
        models = {way: open_in_worker(request, "0" * 64) for way in ways}
        for turn in range(24):
            for way, make in ways.items():
                segments.make = make
                began = time.perf_counter()
                models[way].predict(batch)
                if turn >= 4:
                    seconds[way].append(time.perf_counter() - began)
        for model in models.values():
            model.close()
    lines = [f"| {size:.1f} MB a batch, question and answer | ms | MB/s |", "| --- | ---: | ---: |"]
    for way, took in seconds.items():
        middle = statistics.median(took)
        lines.append(f"| {way} | {1_000 * middle:.1f} | {size / middle:,.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--once", type=Path)
    parser.add_argument("--mode", choices=MODES)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(once(options.once, options.mode)))
        return
    tables = []
    for title, rows, rounds in (("census demo", None, 7), (f"{LARGE:,} rows", LARGE, 5)):
        with tempfile.TemporaryDirectory() as directory:
            runs = measure(prepare(Path(directory) / "demo", rows), rounds)
        tables.append(table_of(title, runs))
        print(tables[-1], end="\n\n", flush=True)
    tables.append(wire())
    print(tables[-1])
    if options.save:
        where = f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores"
        build = f"Python {platform.python_version()}, one thread, CPU build of torch"
        head = f"{where}, {build}. The sandbox: {runs['sandbox'][0]['isolation']}."
        body = "\n\n".join([head, *tables])
        (Path(__file__).parent / "results" / "sandbox.md").write_text(body + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

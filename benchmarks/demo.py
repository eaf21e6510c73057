"""What the census demo costs: time by stage, memory, sizes, and the share spent outside training and inference.

    python benchmarks/demo.py            prints the table
    python benchmarks/demo.py --save     also writes it to benchmarks/results/demo.md

Each figure is the median of three runs in fresh processes, on one thread.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RUNS = 3


class Stopwatch:
    """A progress reporter that remembers how long each piece of work took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Stopwatch]:
        began = time.perf_counter()
        yield self
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - began

    def advance(self, amount: int = 1, note: str = "") -> None:
        pass

    def say(self, message: str) -> None:
        pass


def once(directory: Path) -> dict[str, float]:
    """One demo in this process."""
    began = time.perf_counter()
    from auditkit.demos.census import write_demo
    from auditkit.pipeline.load import load_plan
    from auditkit.pipeline.run import run_plan
    from auditkit.pipeline.train import train_plan

    watch = Stopwatch()
    loaded = load_plan(write_demo(directory))
    train_plan(loaded, out=None, resume=False, progress=watch)
    trained = time.perf_counter()
    out = directory / "audit"
    result = run_plan(loaded, out=out, resume=False, formats=("html",), allow_inconclusive=False, progress=watch)
    total = time.perf_counter() - began
    assert result.audit.run is not None
    stages = result.audit.run.stages
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    learning = watch.seconds["training"]
    return {
        "total, s": total,
        "of it: `auditkit train` with imports, s": trained - began,
        "training loop, s": learning,
        "of the audit: loading the model (a process that imports torch), s": stages["load model"],
        "inference, s": stages["model"],
        "collecting besides inference, s": stages["collect"],
        "checks, s": stages["checks"],
        "CPU, s": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        "share outside training and inference, %": 100 * (1 - (learning + stages["model"]) / total),
        "peak memory of the audit's process, MB": own.ru_maxrss / 1024,
        "peak memory of the model's process, MB": children.ru_maxrss / 1024,
        "report.html, kB": (out / "report.html").stat().st_size / 1000,
        "audit.json, kB": (out / "audit.json").stat().st_size / 1000,
        "evidence, kB": sum(p.stat().st_size for p in (out / "evidence").rglob("*") if p.is_file()) / 1000,
        "findings": len(result.audit.findings),
    }


def measure() -> str:
    """The table of medians."""
    runs = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as directory:
            command = [sys.executable, __file__, "--once", directory]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            runs.append(json.loads(done.stdout))
    lines = ["| census demo | median of three |", "| --- | ---: |"]
    lines += [f"| {name} | {statistics.median(run[name] for run in runs):,.1f} |" for name in runs[0]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--once", type=Path)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(once(options.once / "demo")))
        return
    table = measure()
    print(table)
    if options.save:
        where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        path = Path(__file__).parent / "results" / "demo.md"
        path.write_text(f"{where}, one thread, CPU build of torch.\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Audits in a row in one process, with what they leave behind: memory, open files, threads, children, temporary files.

    python benchmarks/load_many.py GATES LIVE RUNS

So many gates on frames, audits of live models (scikit-learn and torch in turn), and runs of a plan with a model file in
its worker, mixed evenly. Prints one JSON object with a list for each thing that is counted, an entry after each audit.
`TMPDIR` should be a directory of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import auditkit

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
ROWS = 400
#: So many gates, live audits and runs in a row; after how many the memory is looked at; what each further one may add.
IN_A_ROW, WARM_UP, MOST_KB = (400, 80, 20), 100, 10.0
GATE: dict[str, Any] = {"check": "bias.groups", "metric": "equalized_odds_difference", "by": "sex", "max": 0.5}


def frame(seed: int) -> pd.DataFrame:
    """Predictions and two inputs."""
    rng = np.random.default_rng(seed)
    found = pd.DataFrame({"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS), "sex": rng.choice(["F", "M"], ROWS)})
    found["label"] = ((found.a + rng.normal(size=ROWS)) > 0).astype(int)
    found["prediction"] = (found.a > 0).astype(int)
    return found.assign(score=1 / (1 + np.exp(-found.a)))


def gate(data: pd.DataFrame) -> auditkit.Audit:
    """One gate on a frame."""
    return auditkit.gate(
        data, target="label", prediction="prediction", score="score", positive=1, sensitive=["sex"],
        max={"equalized_odds_difference": 0.5},
    )  # fmt: skip


def live(model: object, data: pd.DataFrame, outputs: Any = None) -> auditkit.Audit:
    """One audit of a live model."""
    return auditkit.audit(
        model, data, target="label", positive=1, inputs=["a", "b"], sensitive=["sex"], gates=[GATE], outputs=outputs
    )


def live_models(data: pd.DataFrame) -> list[tuple[object, str | None]]:
    """A fitted estimator and an untrained network, each with what it returns."""
    import torch
    from sklearn.linear_model import LogisticRegression

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    return [(LogisticRegression().fit(data[["a", "b"]], data.label), None), (network, "logits")]


def model_plan(directory: Path, data: pd.DataFrame) -> Path:
    """A plan on a model file."""
    import skops.io
    from sklearn.linear_model import LogisticRegression

    data.drop(columns=["prediction", "score"]).to_parquet(directory / "test.parquet")
    skops.io.dump(LogisticRegression().fit(data[["a", "b"]], data.label), directory / "model.skops")
    plan = directory / "audit.yaml"
    plan.write_text(
        "name: many\nmodel: {kind: sklearn, path: model.skops}\ndata:\n  splits: {test: test.parquet}\n"
        "  target: label\n  positive: 1\n  sensitive: [sex]\n"
        "gates:\n  - {check: bias.groups, metric: equalized_odds_difference, by: sex, max: 0.5}\n"
    )
    return plan


def run_once(plan: Path, out: Path) -> auditkit.Audit:
    """One run of a plan, as the command line does it."""
    from auditkit.core.progress import SilentProgress
    from auditkit.pipeline.load import load_plan
    from auditkit.pipeline.run import run_plan

    options: dict[str, Any] = {"resume": False, "formats": ("html",), "allow_inconclusive": False}
    return run_plan(load_plan(plan), out=out, progress=SilentProgress(), **options).audit


def counted() -> dict[str, float]:
    """What this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "megabytes": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "children": len(children),
        "temporaries": len(os.listdir(tempfile.gettempdir())),
    }


def mixed(gates: int, lives: int, runs: int) -> list[str]:
    """The kinds of audits in an order in which each is spread evenly."""
    places = [((i + 0.5) / n, kind) for kind, n in (("gate", gates), ("live", lives), ("run", runs)) for i in range(n)]
    return [kind for _, kind in sorted(places)]


def measure(gates: int, lives: int, runs: int, directory: Path) -> dict[str, list[Any]]:
    """Audit after audit; each kind must find the same every time."""
    data = frame(0)
    models = live_models(data)
    plan = model_plan(directory, data)
    series: dict[str, list[Any]] = {}
    found: dict[str, set[str]] = {}
    turn = 0
    for number, kind in enumerate(mixed(gates, lives, runs)):
        turn += kind == "live"
        model, outputs = models[turn % 2]
        audits: dict[str, Callable[[], auditkit.Audit]] = {
            "gate": lambda: gate(data),
            "live": lambda model=model, outputs=outputs: live(model, data, outputs),
            "run": lambda number=number: run_once(plan, directory / "out" / str(number)),
        }
        result = json.loads(audits[kind]().to_json())
        result.pop("run", None)
        which = f"live {turn % 2}" if kind == "live" else kind
        found.setdefault(which, set()).add(json.dumps(result, sort_keys=True))
        for name, value in {"kind": kind, **counted()}.items():
            series.setdefault(name, []).append(value)
    series["different results"] = [len(same) for same in found.values()]
    return series


def slope(megabytes: list[float], warm_up: int) -> float:
    """Kilobytes that each audit after the first `warm_up` adds, by least squares."""
    later = np.array(megabytes[warm_up:])
    return float(np.polyfit(np.arange(len(later)), later, 1)[0] * 1024)


def in_a_row() -> Iterator[str]:
    """500 audits in one process, in words. Raises `AssertionError` where something stays behind."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as temporary:
        environment = {**ENVIRONMENT, "LOAD_DIRECTORY": folder, "TMPDIR": temporary}
        began = time.perf_counter()
        command = [sys.executable, __file__, *map(str, IN_A_ROW)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        seconds = time.perf_counter() - began
    series: dict[str, list[Any]] = json.loads(done.stdout)
    added = slope(series["megabytes"], WARM_UP)
    assert added < MOST_KB, added
    held = {name: sorted(set(series[name][WARM_UP:])) for name in ("files", "threads", "children", "temporaries")}
    assert all(len(values) == 1 for values in held.values()), held
    assert series["different results"] == [1, 1, 1, 1]
    gates, live, runs = IN_A_ROW
    first, last = series["megabytes"][WARM_UP], series["megabytes"][-1]
    left = ", ".join(f"{values[0]} {name}" for name, values in held.items())
    yield f"{sum(IN_A_ROW)} audits in a row in one process ({gates} gates on frames, {live} audits of live models,"
    yield f"{runs} runs with a model in its worker), {seconds:.0f} s: {first:.1f} MB after the first {WARM_UP},"
    yield f"{last:.1f} MB at the end, {added:.1f} kB an audit by least squares (allowed: {MOST_KB:g})."
    yield f"After each of them: {left}. Every audit of a kind gave the same result."


def at_once() -> Iterator[str]:
    """Eight runs with a worker each, alone and at once, in words. Raises `AssertionError` where they differ."""
    with tempfile.TemporaryDirectory() as folder:
        plans = []
        for number in range(8):
            directory = Path(folder) / f"data{number}"
            directory.mkdir()
            plans.append(model_plan(directory, frame(number)))

        def started(number: int, parent: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "auditkit", "--quiet", "run", str(plans[number])]
            out = str(Path(folder) / parent / str(number))
            return subprocess.Popen([*command, "--out", out], env=ENVIRONMENT, stdout=subprocess.DEVNULL)

        began = time.perf_counter()
        assert [started(i, "alone").wait() for i in range(8)] == [0] * 8
        alone = time.perf_counter() - began
        began = time.perf_counter()
        assert [process.wait() for process in [started(i, "audits") for i in range(8)]] == [0] * 8
        together = time.perf_counter() - began
        results = [[_result(Path(folder) / parent / str(i)) for i in range(8)] for parent in ("alone", "audits")]
        assert results[0] == results[1]
        assert len(set(results[0])) == 8
    yield f"Eight runs with a worker each: {alone:.0f} s one after another, {together:.0f} s at once;"
    yield "the same eight results."


def _result(out: Path) -> str:
    audit = json.loads((out / "audit.json").read_text())
    audit.pop("run")
    return json.dumps(audit, sort_keys=True)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("LOAD_DIRECTORY")) as directory:
        print(json.dumps(measure(*map(int, sys.argv[1:4]), Path(directory))))


if __name__ == "__main__":
    main()

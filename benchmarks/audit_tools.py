"""A full bias audit of 50,000 rows × 15 columns with its report: auditkit beside deepchecks, Evidently and Giskard.

    python benchmarks/audit_tools.py                     installs each tool into its own environment, prints the table
    python benchmarks/audit_tools.py --cache DIR --save  keeps the environments in DIR, writes results/audit_tools.md

The tools do not do the same work: the rows below the figures say what each does. All are given the same rows and a
model fitted alike on them (each by the scikit-learn of its environment). CPU seconds are those of the audit's process
and its children, the tool's imports included, data and model standing ready; runs are interleaved, and each figure is
the median. A tool that would not install or run is named with its message.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from auditkit.core.version import __version__

CHILD = Path(__file__).with_name("audit_tools_child.py")
#: What each peer needs besides itself to run with today's packages.
PEERS = {
    "deepchecks": ("deepchecks", "scikit-learn<1.6", "category_encoders<2.7", "pandas<2.3", "numpy<2", "setuptools<80"),
    "evidently": ("evidently", "pandas<3"),
    "giskard": ("giskard", "pandas<3", "scikit-learn<1.6"),
}
TOOLS = ("auditkit", *PEERS)
#: What would not run with the newest packages, and why older ones stand in `PEERS`.
PINS = (
    "deepchecks 0.19.1 does not import with scikit-learn 1.9 (ValueError: 'max_error' is not a valid scoring "
    "value), Evidently 0.7.23 not with pandas 3 (ImportError: cannot import name 'infer_dtype_from_object'); each was "
    "given the older release. Giskard was given the same ones."
)
TRAIN_ROWS, TEST_ROWS = 20_000, 50_000
#: A run that takes longer is ended and told so.
MOST_SECONDS = 900
FEATURES = {
    "an interval on every number": ("yes", "no", "no", "no (p-values of slices)"),
    "gaps between declared groups, and their intersections": ("yes", "no", "no", "no"),
    "slices found by search": ("subgroups of sensitive columns", "weak segments", "no", "yes"),
    "gates with an exit code": ("yes", "conditions, no exit code", "tests, no exit code", "no exit code"),
    "undecided kept apart from passed": ("yes", "no", "no", "no"),
    "calibration": ("debiased error, by group too", "curve", "no", "over- and underconfidence"),
    "baselines": ("majority, linear", "a simple model", "no", "no"),
    "train against test": ("yes", "yes", "side by side", "no"),
    "prediction drift": ("no", "yes", "no", "no"),
    "unused features (permutation)": ("switched off", "yes", "no", "no"),
    "perturbed inputs": ("no", "no", "no", "yes"),
    "result as data": ("JSON, SARIF, JUnit, Markdown", "JSON", "JSON", "JSON"),
    "report without network": ("yes", "yes", "yes", "yes"),
}


def write_data(path: Path) -> None:
    """Synthetic mixed data: ten numbers, five categories; two of these are sensitive, and one group fares worse."""
    rng, rows = np.random.default_rng(0), TRAIN_ROWS + TEST_ROWS
    numbers = rng.normal(size=(rows, 10)).round(4)
    sizes = {"sex": 2, "region": 5, "job": 12, "channel": 4, "plan": 3}
    codes = {name: rng.integers(0, size, rows) for name, size in sizes.items()}
    score = numbers[:, :4] @ [1.0, -0.8, 0.6, 0.4] + 0.5 * (numbers[:, 4] > 0) * numbers[:, 5]
    score += 0.15 * codes["job"] - 0.5 * (codes["sex"] == 1) * (numbers[:, 6] > 0) - 0.8
    outcome = (rng.random(rows) < 1 / (1 + np.exp(-score))).astype(np.int64)
    labels = {name: np.array([f"{name}{i}" for i in range(sizes[name])])[code] for name, code in codes.items()}
    columns = {f"x{i}": numbers[:, i] for i in range(10)}
    np.savez(path, train_rows=TRAIN_ROWS, outcome=outcome, **columns, **labels)


def environment(cache: Path, tool: str) -> Path | str:
    """The Python of the tool's own environment, made where it is not there; or what went wrong, in a line."""
    home = cache / tool
    python = home / "bin" / "python"
    if (home / "ready").exists():
        return python
    made = subprocess.run([sys.executable, "-m", "venv", home], capture_output=True, text=True, check=False)
    if made.returncode:
        return _last(made.stderr)
    command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEERS[tool]]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode:
        return f"would not install: {_last(installed.stderr)}"
    (home / "ready").touch()
    return python


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no message"


def child(python: Path, what: str, tool: str, directory: Path) -> dict[str, Any] | str:
    """Run one step in the tool's environment: what it printed, or its last words."""
    quiet = {"OMP_NUM_THREADS": "1", "DEEPCHECKS_DISABLE_LATEST": "true", "DO_NOT_TRACK": "1", "MPLBACKEND": "Agg"}
    quiet |= {"GSK_DISABLE_ANALYTICS": "true", "OPENBLAS_NUM_THREADS": "1"}
    command = [python, "-W", "ignore", CHILD, what, tool, directory]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | quiet, timeout=MOST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"ended after {MOST_SECONDS} s"
    if done.returncode:
        return f"would not run: {_last(done.stderr)}"
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return dict(json.loads(found[-1][7:])) if found else {}


def version_of(python: Path, tool: str) -> str:
    """The version of the tool that is measured."""
    if tool == "auditkit":
        return __version__
    code = f"import importlib.metadata as m; print(m.version({tool!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def measure(cache: Path, repeats: int) -> str:
    """The table."""
    failed: dict[str, str] = {}
    pythons: dict[str, Path] = {"auditkit": Path(sys.executable)}
    for tool in PEERS:
        found = environment(cache, tool)
        if isinstance(found, str):
            failed[tool] = found
        else:
            pythons[tool] = found
    runs: dict[str, list[dict[str, Any]]] = {tool: [] for tool in pythons}
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        write_data(directory / "data.npz")
        for tool, python in pythons.items():
            answer = child(python, "fit", tool, directory)
            if isinstance(answer, str):
                failed[tool] = answer
        for _ in range(repeats):
            for tool, python in pythons.items():
                began = time.perf_counter()
                answer = "" if tool in failed else child(python, "audit", tool, directory)
                if isinstance(answer, str):
                    failed.setdefault(tool, answer)
                else:
                    runs[tool].append(answer | {"wall": time.perf_counter() - began})
                    print(f"{tool}: {answer['cpu']:.1f} s CPU", file=sys.stderr)
    versions = {tool: version_of(python, tool) for tool, python in pythons.items()}
    return table({tool: runs.get(tool, []) for tool in TOOLS}, versions, failed)


FIGURES = {
    "CPU, s": ("cpu", "{:,.1f}"),
    "peak memory, MB": ("memory", "{:,.0f}"),
    "of it before the tool started, MB": ("before", "{:,.0f}"),
    "passes of the model over the rows given": ("passes", "{:,.2f}"),
    "report, kB": ("report", "{:,.0f}"),
}


def table(runs: dict[str, list[dict[str, Any]]], versions: dict[str, str], failed: dict[str, str]) -> str:
    """Figures, ratios to auditkit, what each does, and what would not run."""
    named = [f"{tool} {versions.get(tool, '')}".strip() for tool in runs]
    lines = [f"| | {' | '.join(named)} |", f"| --- |{' ---: |' * len(runs)}"]
    median = {
        (tool, key): statistics.median(run[key] for run in found)
        for tool, found in runs.items()
        if found
        for key, _ in FIGURES.values()
    }
    for label, (key, shown) in FIGURES.items():
        cells = [shown.format(median[tool, key]) if (tool, key) in median else "did not run" for tool in runs]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    for label, key in (("times auditkit's CPU", "cpu"), ("times auditkit's memory", "memory")):
        cells = [f"{median[t, key] / median['auditkit', key]:,.1f}" if (t, key) in median else "" for t in runs]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in FEATURES.items()]
    return "\n".join([*lines, "", *(f"- {tool}: {why}" for tool, why in failed.items())]).rstrip()


def main() -> None:
    """Measure, print, and save where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="where the environments are kept (default: a new directory)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    cache = options.cache or Path(tempfile.mkdtemp(prefix="audit-tools-"))
    found = measure(cache, options.repeats)
    print(found)
    if options.save:
        where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        given = (
            f"{TEST_ROWS:,} held-out rows and {TRAIN_ROWS:,} training rows × 15 inputs, binary, two sensitive columns"
        )
        text = (
            f"{where}; {given}; one thread; median of {options.repeats} interleaved runs. Giskard takes no training "
            f"rows. The tools do not do the same work: read the lower rows with the figures. {PINS}\n\n{found}\n"
        )
        (Path(__file__).parent / "results" / "audit_tools.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

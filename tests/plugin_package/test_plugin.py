"""A package from outside adds a check by its entry point, on equal terms: listed, explained, run, gated, conforming."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

PLAN = """\
name: plugin
model: {kind: predictions, prediction: p}
data: {splits: {test: test.csv}, target: y, positive: 1, sensitive: [g]}
checks: {example.rarest_group: {floor: 0.2}}
gates: [{check: example.rarest_group, metric: rarest_group_share, by: g, min: 0.05}]
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the package is installed, beside this project."""
    target = tmp_path_factory.mktemp("plugin")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(HERE)], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(target), str(ROOT)]), "OMP_NUM_THREADS": "1"}


def _run(environment: dict[str, str], *arguments: str, module: str = "auditkit") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], env=environment, capture_output=True, text=True, cwd=ROOT
    )


def test_listed_and_explained(environment: dict[str, str]) -> None:
    assert "example.rarest_group" in _run(environment, "checks").stdout
    explained = _run(environment, "explain", "example.rarest_group").stdout
    assert "Reading:" in explained
    assert "floor: 0.01" in explained


def test_run_and_gated(environment: dict[str, str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    group = np.where(rng.random(2000) < 0.1, "few", "many")
    y = rng.integers(0, 2, 2000)
    pd.DataFrame({"y": y, "p": y, "g": group}).to_csv(tmp_path / "test.csv", index=False)
    (tmp_path / "plan.yaml").write_text(PLAN)
    done = _run(environment, "run", str(tmp_path / "plan.yaml"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    findings = json.loads((tmp_path / "out" / "audit.json").read_text())["findings"]
    ours = [f for f in findings if f["check"] == "example.rarest_group"]
    assert {f["status"] for f in ours} == {"pass", "warn"}
    assert ours[0]["value"] == pytest.approx(np.mean(group == "few"))
    assert "Rarest group" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_it_passes_the_conformance_suite(environment: dict[str, str]) -> None:
    options = ["-q", "-p", "no:cacheprovider", "tests/conformance", "-k", "rarest_group"]
    done = _run(environment, *options, module="pytest")
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout

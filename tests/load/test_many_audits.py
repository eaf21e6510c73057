"""Audits in a row leave nothing behind; audits at once do not mix. In small; whole in `benchmarks/load.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from auditkit.core.audit import Audit
from benchmarks.load_cases import predictions, write_plan
from benchmarks.load_many import frame, gate, live, live_models, run_once

ROOT = Path(__file__).parents[2]
#: What some audits may add to the memory of a process that has done each kind before.
MOST_LEFT_MB = 12


def comparable(audit: Audit | str) -> dict[str, Any]:
    """The result without when it ran and how long it took."""
    found: dict[str, Any] = json.loads(audit if isinstance(audit, str) else audit.to_json())
    found.pop("run", None)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory, files and children are counted in /proc")
def test_audits_in_a_row_leave_nothing_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "LOAD_DIRECTORY": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.load_many", "20", "5", "2"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=True)
    series = json.loads(done.stdout)
    assert series["different results"] == [1, 1, 1, 1]
    warm = 10  # each kind, and each model, once
    assert set(series["kind"][:warm]) == {"gate", "live", "run"}
    assert series["kind"][:warm].count("live") >= 2
    assert max(series["megabytes"][warm:]) - series["megabytes"][warm] < MOST_LEFT_MB
    for what in ("files", "threads", "children", "temporaries"):
        assert set(series[what][warm:]) == {series[what][warm]}, what
    assert series["children"][-1] == 0
    assert series["temporaries"][-1] == 0


@pytest.mark.slow
def test_eight_threads_find_what_one_does() -> None:
    data = [frame(seed) for seed in range(8)]
    (estimator, _), (network, outputs) = live_models(data[0])

    def one(seed: int) -> dict[str, Any]:
        each = data[seed]
        if seed < 3:
            return comparable(gate(each))
        return comparable(live(network, each, outputs) if seed % 2 else live(estimator, each))

    alone = [one(seed) for seed in range(8)]
    assert len({json.dumps(found) for found in alone}) == 8
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(8))) == alone


@pytest.mark.slow
def test_eight_runs_at_once_share_a_parent_and_nothing_else(tmp_path: Path) -> None:
    plans = []
    for number in range(8):
        folder = tmp_path / f"data{number}"
        folder.mkdir()
        predictions(folder / "test.parquet", 3000 + number)
        data = ["splits: {test: test.parquet}", "target: label", "positive: 1", "sensitive: [sex]"]
        model = "{kind: predictions, prediction: prediction, score: score}"
        gates = ["{check: performance.summary, metric: accuracy, min: 0.5}"]
        # All have one name, so that all choose their directories from the same names.
        plans.append(write_plan(folder / "audit.yaml", model, data, gates))
    alone = [comparable(run_once(plan, tmp_path / f"alone{number}")) for number, plan in enumerate(plans)]
    assert len({json.dumps(found) for found in alone}) == 8
    command = [sys.executable, "-m", "auditkit", "--quiet", "run"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen([*command, str(p)], cwd=tmp_path, env=environment, stdout=-3, stderr=-3) for p in plans]
    assert [process.wait(120) for process in running] == [0] * 8
    directories = sorted(path for path in (tmp_path / "audits").iterdir() if path.is_dir())
    assert len(directories) == 8
    found = [comparable((directory / "audit.json").read_text()) for directory in directories]
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, alone))
    names = [sorted(str(p.relative_to(d)) for p in d.rglob("*") if p.is_file()) for d in directories]
    kinds = [[name for name in each if not name.endswith(".parquet")] for each in names]
    assert all(each == kinds[0] for each in kinds)
    assert {"audit.json", "report.html", "journal.jsonl"} <= set(kinds[0])

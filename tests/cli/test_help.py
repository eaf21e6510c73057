"""`--help` and `gate` stay light: no torch, and hardly any time."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from auditkit.cli.main import COMMANDS
from tests.conftest import Answer

HEAVY = ("torch", "transformers", "captum", "sklearn", "fairlearn", "pandas", "scipy", "pydantic")


def _modules_after(code: str) -> list[str]:
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(done.stderr.splitlines()[-1])
    return modules


def test_help_imports_nothing_heavy() -> None:
    modules = _modules_after("from auditkit.cli.main import main\nassert main(['--help']) == 0")
    assert not set(HEAVY) & set(modules)
    assert not {"torch"} & set(_modules_after("import auditkit"))


def test_gate_imports_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    pd.DataFrame({"y": [0, 1] * 50, "p": [0, 1] * 50, "g": ["a", "b", "b", "a"] * 25}).to_csv(path, index=False)
    arguments = ["gate", str(path), "--target", "y", "--prediction", "p", "--sensitive", "g", "--min", "accuracy=0.5"]
    modules = _modules_after(f"from auditkit.cli.main import main\nassert main({arguments!r}) == 0")
    assert not {"torch", "transformers", "captum", "sklearn", "fairlearn"} & set(modules)


def _cpu_seconds(code: str) -> float:
    """CPU time of a fresh interpreter that runs `code`: the least of five, so that other work doesn't count."""
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


@pytest.mark.slow
def test_help_costs_under_5_percent_of_importing_torch() -> None:
    """What `--help` costs beyond starting Python, against what importing torch costs beyond that."""
    nothing = _cpu_seconds("pass")
    help_page = _cpu_seconds("from auditkit.cli.main import main; main(['--help'])") - nothing
    torch = _cpu_seconds("import torch") - nothing
    assert help_page < 0.05 * torch, f"--help {help_page:.3f} s, import torch {torch:.3f} s"


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_a_help_page(auditkit: object, command: str) -> None:
    answer: Answer = auditkit(command, "--help")  # type: ignore[operator]
    assert answer.code == 0
    assert answer.out.startswith("Usage: auditkit")


def test_checks_and_explain_come_from_the_docstrings(auditkit: object) -> None:
    from auditkit.checks.registry import CHECKS

    listed: Answer = auditkit("checks")  # type: ignore[operator]
    for name in CHECKS.names():
        assert any(line.startswith(name) for line in listed.out.splitlines())
        explained: Answer = auditkit("explain", name)  # type: ignore[operator]
        assert explained.code == 0
        for heading in ("Measures:", "How:", "Assumptions:", "Reading:", "Source:"):
            assert heading in explained.out
    wrong: Answer = auditkit("explain", "bias.group")  # type: ignore[operator]
    assert wrong.code == 2
    assert "did you mean 'bias.groups'?" in wrong.err

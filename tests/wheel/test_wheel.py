"""The wheel, installed where the source tree is out of reach, runs the demo without a network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests import no_network

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what is in the tree."""
    source, out = tmp_path_factory.mktemp("source") / "auditkit", tmp_path_factory.mktemp("dist")
    skip = shutil.ignore_patterns(".git", ".venv*", "*cache*", "auditkit-demo", "audits", "dist", "build", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=skip)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_what_the_wheel_holds(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert wheel.name.startswith("auditkit_ml-")
    for needed in (
        "auditkit/py.typed",
        "auditkit/report/templates/report.html.j2",
        "auditkit/report/templates/style.css",
        "auditkit/demos/data/adult.parquet",
    ):
        assert needed in names
    assert any(name.endswith("licenses/NOTICE") for name in names)
    assert not any(name.startswith(("tests/", "reports/", "examples/")) for name in names)
    assert wheel.stat().st_size < 2_000_000


@pytest.mark.slow
@pytest.mark.skipif(not no_network.available(), reason="needs a Linux kernel with seccomp")
def test_a_process_that_asks_for_the_network_is_ended() -> None:
    """Else the next test could not fail."""
    script = "import socket, subprocess, sys; socket.socketpair(); socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    for command in ([sys.executable, "-c", script], ["sh", "-c", f"'{sys.executable}' -c '{script}'; exit $?"]):
        done = subprocess.run([sys.executable, no_network.__file__, *command], capture_output=True)
        assert done.returncode in (-signal.SIGSYS, 128 + signal.SIGSYS)


@pytest.mark.slow
@pytest.mark.skipif(not no_network.available(), reason="needs a Linux kernel with seccomp")
def test_the_demo_from_the_wheel_without_a_network(wheel: Path, tmp_path: Path) -> None:
    """A new virtual environment has the wheel and nothing else of ours; dependencies are lent by this one. The kernel
    ends whatever opens a socket that is not local: nothing is reported to anybody, by us or by a library."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    site = next((venv / "lib").glob("python*")) / "site-packages"
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_CURRENT_TEST")}
    command = [sys.executable, str(Path(no_network.__file__)), str(venv / "bin" / "auditkit"), "demo"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    where = subprocess.run(
        [str(python), "-c", "import auditkit; print(auditkit.__file__)"], cwd=tmp_path, capture_output=True, text=True
    )
    assert str(venv) in where.stdout
    run = tmp_path / "auditkit-demo" / "census" / "audit"
    audit = json.loads((run / "audit.json").read_text())
    assert audit["schema"] == "auditkit.audit/1"
    assert (run / "report.html").stat().st_size < 500_000
    assert "report.html" in done.stdout

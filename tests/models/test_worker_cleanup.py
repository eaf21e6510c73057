"""A worker whose parent was killed ends by itself and leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import auditkit
from auditkit.models.worker.clearing import remove_tree
from auditkit.models.worker.homes import PREFIX, sweep

SCRIPT = """
import sys, time
from auditkit.models.worker.process import WorkerProcess
worker = WorkerProcess("m")
print(worker.pid, flush=True)
time.sleep(60)
"""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert list(tmp_path.glob("auditkit-worker-*"))
        time.sleep(1.5)  # until the child has come to its loop
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while time.monotonic() < end and (_alive(pid) or list(tmp_path.iterdir())):
        time.sleep(0.1)
    assert not _alive(pid)
    assert not list(tmp_path.iterdir())


def test_the_homes_of_killed_parents_are_swept_up_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    stray, foreign = tmp_path / f"{PREFIX}stray", tmp_path / "other"
    stray.mkdir()
    (stray / "left").write_text("x")
    foreign.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(foreign, target_is_directory=True)
    held = tmp_path / f"{PREFIX}held"
    held.mkdir()
    descriptor = os.open(held, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{PREFIX}held", f"{PREFIX}link", "other"]
    os.close(descriptor)
    sweep(tmp_path)
    assert not held.exists()
    assert foreign.is_dir()


def test_however_deep_and_closed_a_tree_is_it_goes_and_nothing_else(tmp_path: Path) -> None:
    """`shutil.rmtree` recurses, and raises RecursionError: one such stray would end every later audit here."""
    victim, stray = tmp_path / "victim", tmp_path / f"{PREFIX}deep"
    (victim / "kept").mkdir(parents=True)
    stray.mkdir()
    (stray / "link").symlink_to(victim)
    (stray / "closed" / "more").mkdir(parents=True)
    (stray / "closed" / "file").write_text("x")
    (stray / "closed" / "link").symlink_to(victim)
    (stray / "closed").chmod(0)
    held = os.open(stray, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=held)
        below = os.open("d", os.O_RDONLY, dir_fd=held)
        os.close(held)
        held = below
    os.close(held)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [victim]
    assert (victim / "kept").is_dir()
    remove_tree(tmp_path / "absent")
    (tmp_path / "link").symlink_to(victim)
    remove_tree(tmp_path / "link")
    assert (victim / "kept").is_dir()


def test_the_child_runs_the_auditkit_of_its_parent(tmp_path):
    """A checkout beside an installed auditkit: both processes run the checkout."""
    copy = tmp_path / "checkout"
    package = Path(auditkit.__file__).parent
    shutil.copytree(package, copy / "auditkit", ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import json, subprocess, sys\n"
        "from auditkit.models.worker.limits import import_paths\n"
        "code = 'import json, sys; sys.path[:] = json.loads(sys.argv[1]); import auditkit; print(auditkit.__file__)'\n"
        "subprocess.run([sys.executable, '-I', '-c', code, json.dumps(import_paths())], check=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=copy, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == copy / "auditkit" / "__init__.py"

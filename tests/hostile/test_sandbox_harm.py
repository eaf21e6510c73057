"""Models that take more than they may, or tamper with the wire: one sentence, an exit code, no process left behind."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from auditkit.core.errors import AuditkitError, InputRefusedError, ModelCrashedError
from auditkit.core.model import Trusted
from auditkit.models.worker import client, limits, probe, watch
from auditkit.models.worker.client import Timeouts, WorkerModel, open_in_worker
from auditkit.models.worker.isolation import Isolation, confirm
from auditkit.models.worker.request import OpenRequest

PLANTED = Path(__file__).with_name("planted_harm.py")
TRUSTED = (Trusted("model.py", "0" * 64, "digest"),)
Opened = Callable[..., WorkerModel]


@pytest.fixture(scope="module")
def here() -> Isolation:
    return probe.isolation_here()


@pytest.fixture
def opened(tmp_path: Path, here: Isolation) -> Iterator[Opened]:
    """Opens a model of `planted_harm.py`, by the name of its function."""
    if not here.complete:
        pytest.skip(f"this machine can't contain a model: {here.lacks}")
    models = []

    def start(function: str, code: str | None = None, seconds: float = 60, **more: object) -> WorkerModel:
        path = tmp_path / "model.py"
        path.write_bytes(PLANTED.read_bytes() if code is None else code.encode())
        options = {"name": "model.py", "function": function, "outputs": "values", "inputs": ["x"]}
        request = OpenRequest("python", path, "cpu", options)
        timeouts = Timeouts(open=120, predict=seconds, attribute=seconds)
        models.append(open_in_worker(request, "0" * 64, TRUSTED, timeouts, **more))
        return models[-1]

    yield start
    for model in models:
        model.close()


def batch(rows: int = 4) -> dict[str, np.ndarray]:
    return {"x": np.arange(float(rows))}


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("threads", "was stopped, because it started more than 100 threads, while it scored 4 rows"),
        ("closes_output", "was stopped, because it started more than 100 threads, while it scored 4 rows"),
        ("files", "was stopped, because it made more than 4,096 files, while it scored 4 rows"),
        ("disk", "was stopped, because it wrote more than 64 MiB, while it scored 4 rows"),
        ("deeper", "was stopped, because it made a directory into which nobody can look, while it scored 4 rows"),
        ("memory", "out of memory while it scored 4 rows"),
        ("memory_of_torch", "out of memory while it scored 4 rows"),
        ("descriptors", r"the model failed while it scored 4 rows: .*OSError: \[Errno 24\] Too many open files"),
        ("forks", r"the model failed while it scored 4 rows: .*PermissionError: \[Errno 1\]"),
        ("raises_os_error", r"the model failed while it scored 4 rows: .*PermissionError: \[Errno 1\]"),
        ("prints", r"the model failed while it scored 4 rows: .*ValueError: printed"),
        ("hangs_up", "its process closed its connection while it scored 4 rows"),
        ("nonsense", "answered something that is no prediction"),
        ("outside_of_the_segment", "a body in shared memory that is not there"),
        pytest.param(
            "old_door",
            "its process was ended by SIGSYS while it scored 4 rows",
            marks=pytest.mark.skipif(platform.machine() != "x86_64", reason="a door of x86"),
        ),
    ],
)
def test_harm_is_one_sentence(opened, monkeypatch, function, message):
    monkeypatch.setattr(watch, "MAX_THREADS", 100)
    model = opened(function)
    home = Path(f"/proc/{model.pid}/cwd").resolve()
    began = time.monotonic()
    with pytest.raises(ModelCrashedError, match=message) as caught:
        model.predict(batch())
    assert time.monotonic() - began < 50
    assert caught.value.exit_code == 3
    assert len(str(caught.value).splitlines()) == 1
    assert "\x1b" not in str(caught.value)
    model.close()
    assert gone(model.pid)
    assert not home.exists()


def test_folders_nested_deeper_than_python_recurses_go_with_their_worker(opened):
    model = opened("deep")
    home = Path(f"/proc/{model.pid}/cwd").resolve()
    assert model.predict(batch()).values.shape == (4, 1)
    model.close()
    assert not home.exists()


@pytest.mark.parametrize(
    ("code", "message", "exit_code"),
    [
        ("import socket; socket.socket()", r"running it failed.*\(PermissionError: \[Errno 1\]", 4),
        ("open('/etc/passwd')", r"running it failed.*\(PermissionError: \[Errno 13\]", 4),
        ("import os; os.fork()", r"running it failed.*\(PermissionError: \[Errno 1\]", 4),
        ("import os; os._exit(0)", "its process ended with code 0 while it loaded the model", 3),
    ],
)
def test_harm_while_it_loads(opened, code, message, exit_code):
    with pytest.raises(AuditkitError, match=message) as caught:
        opened("predict", code)
    assert caught.value.exit_code == exit_code


def test_shared_memory_can_neither_shrink_nor_be_written_by_the_wrong_side(opened):
    model = opened("shared_memory")
    for _ in range(3):
        values = model.predict(batch(20_000)).values
    pieces, writable, protect, held, truncated, written, mapped, reopened = values[0]
    assert (pieces, writable) == (2, 1)
    assert protect == 13  # EACCES: the question can't be made writable
    assert held == 2
    assert truncated == 4  # neither of the two, neither smaller nor larger
    assert written == 1  # the question
    assert (mapped, reopened) == (1, 1)


def test_answers_that_go_on_changing_are_copied_once(opened):
    model = opened("flips")
    for _ in range(2):
        model.predict(batch(20_000))
    values = [model.predict(batch(20_000)).values for _ in range(5)]
    kept = [v.copy() for v in values]
    time.sleep(0.2)
    for one, other in zip(values, kept, strict=True):
        assert one.shape == (20_000, 8)
        np.testing.assert_array_equal(one, other)


# --- what an audit says of it -----------------------------------------------------------------------------------------


def test_the_sentence_of_a_whole_sandbox(opened, here):
    assert str(here) == opened("predict", "predict = len").info.isolation
    assert str(here) == (
        f"worker process: Landlock (ABI {here.landlock}): reads the model and the libraries, writes only its own "
        "temporary folder; seccomp: no network, no new processes or programs; bounded memory, files and descriptors; "
        "no standard input; scrubbed environment"
    )


def test_the_kernel_confirms_it(opened):
    model = opened("predict", "def predict(frame): return frame['x']")
    model.predict(batch())
    for task in Path(f"/proc/{model.pid}/task").iterdir():
        status = (task / "status").read_text()
        assert "NoNewPrivs:\t1\n" in status
        assert "Seccomp:\t2\n" in status
        effective = int(status.split("CapEff:\t")[1].split()[0], 16)
        assert effective & ~(1 << 2) == 0  # at most reading files of other users, which Landlock bounds


WHOLE = {
    "landlock": 7,
    "seccomp": True,
    "missing": {},
    "tried": {"read": "EACCES", "write": "EACCES", "socket": "EPERM", "program": "EPERM", "signal": "EPERM"},
}


def test_a_report_that_the_kernel_does_not_confirm_counts_for_nothing():
    found = confirm(WHOLE, os.getpid(), asked=True)  # this process is under no filter
    if "Seccomp:\t2" not in Path("/proc/self/status").read_text():
        assert not found.complete
        assert found.lacks == "no seccomp filter (the kernel knows of none)"
        assert "network and new processes were open to it" in str(found)
    for name, answer in (("read", "allowed"), ("write", "EPERM"), ("read", "")):
        report = {**WHOLE, "tried": {**WHOLE["tried"], name: answer}}
        assert "no Landlock (its own test failed)" in confirm(report, os.getpid(), asked=True).lacks
    report = {**WHOLE, "tried": {}}
    assert confirm(report, os.getpid(), asked=True).missing == (
        "no Landlock (its own test failed)",
        "no seccomp filter (its own test failed)",
    )
    for bad in (None, [], {**WHOLE, "landlock": -1}, {**WHOLE, "seccomp": "yes"}, {**WHOLE, "more": 1}):
        with pytest.raises(ValueError, match="no report"):
            confirm(bad, os.getpid(), asked=True)


@pytest.mark.parametrize(
    ("isolation", "words"),
    [
        (Isolation(0, seccomp=True, missing=("no Landlock (this system has none)",)),
         "no Landlock (this system has none): it could read every file that the user can; seccomp: no network, no new "
         "processes or programs, no file written"),
        (Isolation(3, seccomp=False, missing=("no seccomp filter (this system has none)",)),
         "folder; no seccomp filter (this system has none): network and new processes were open to it"),
        (Isolation(0, seccomp=False, asked=False), "without a sandbox (--no-sandbox): bounded memory"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(isolation, words):
    assert words in str(isolation)
    assert str(isolation).startswith("worker process")
    assert not isolation.complete


def test_what_had_to_be_trusted_needs_the_sandbox(opened, monkeypatch):
    lacking = Isolation(0, seccomp=True, missing=("no Landlock (this system has none)",))
    none = Isolation(0, seccomp=False, asked=False)
    monkeypatch.setattr(client, "confirm", lambda report, pid, asked: lacking if asked else none)
    marker = "import pathlib; pathlib.Path(__import__('os').environ['HOME'], 'ran').touch()\npredict = len"
    with pytest.raises(InputRefusedError, match=r"can't contain that: no Landlock.*--no-sandbox") as caught:
        opened("predict", marker)
    assert caught.value.exit_code == 4
    model = opened("predict", marker, sandbox=False)
    assert "--no-sandbox" in model.info.isolation


def test_no_sandbox_is_none(opened):
    code = "def predict(frame): return [float('root' in open('/etc/passwd').read())] * len(frame)"
    model = opened("predict", code, sandbox=False)
    assert model.predict(batch()).values.tolist() == [[1.0]] * 4
    assert model.info.isolation.startswith("worker process without a sandbox (--no-sandbox)")


# --- processes --------------------------------------------------------------------------------------------------------

ORPHAN = """
import sys
from pathlib import Path
import numpy as np
from auditkit.models.worker.client import open_in_worker
from auditkit.models.worker.request import OpenRequest
options = {"name": "m", "function": "predict", "outputs": "values", "inputs": ["x"]}
model = open_in_worker(OpenRequest("python", Path(sys.argv[1]), "cpu", options), "0" * 64)
print(model.pid, flush=True)
model.predict({"x": np.zeros(3)})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="process descriptors")
def test_a_model_that_hangs_ends_with_a_killed_audit(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("import time\ndef predict(frame):\n    while True: time.sleep(9)\n")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", ORPHAN, path], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert list(tmp_path.glob("auditkit-worker-*"))
        time.sleep(0.5)
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 5
    while time.monotonic() < end and (not gone(pid) or list(tmp_path.glob("auditkit-worker-*"))):
        time.sleep(0.05)
    assert gone(pid)
    assert list(tmp_path.iterdir()) == [path]


ORDINARY = """
import json, os, resource, sys, sysconfig
sys.path.insert(0, {root!r})
from auditkit.models.worker import limits
from auditkit.models.worker.charter import Charter
from auditkit.models.worker.seal import Sandbox
os.environ["HOME"] = {home!r}
sysconfig.get_config_vars()  # its file may lie where only root comes
os.setgroups([]); os.setgid(65534); os.setuid(65534)
limits.apply_at_start()
sandbox = Sandbox(Charter())
sandbox.close_files()
print(json.dumps([os.getuid(), sandbox.close_calls(gpu=False)]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="this is an ordinary user already")
def test_nothing_of_it_depends_on_being_root(here):
    if not here.complete:
        pytest.skip(here.lacks)
    with tempfile.TemporaryDirectory() as home:  # pytest's own directories are closed to other users
        os.chown(home, 65534, 65534)
        script = ORDINARY.format(root=str(Path(limits.__file__).parents[3]), home=home)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    user, report = json.loads(done.stdout)
    assert user == 65534
    assert report == {**WHOLE, "landlock": here.landlock}

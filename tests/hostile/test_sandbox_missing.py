"""Machines whose kernel lacks a part: models without code go on and say what was missing, others are refused; and the
whole command line in front of a model that tries to break out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.models.open import open_model
from auditkit.models.spec import ModelSpec
from auditkit.models.trained import load_trained
from auditkit.models.trust import Trust
from auditkit.models.worker import probe, process
from tests.models.tables import as_dataset, batch_of, mixed_table

WITHOUT = {
    "landlock": "import auditkit.models.worker.landlock as part; part.abi = lambda: 0",
    "seccomp": "import auditkit.models.worker.syscalls as part; part.machine = lambda: None",
    "both": "import auditkit.models.worker.landlock as part; part.abi = lambda: 0;"
    "import auditkit.models.worker.syscalls as other; other.machine = lambda: None",
}
SAID = {
    "landlock": "worker process: no Landlock (this system has none): it could read every file that the user can; ",
    "seccomp": "folder; no seccomp filter (this system has none): network and new processes were open to it; ",
    "both": "no seccomp filter (this system has none): network and new processes were open to it; bounded memory",
}


@pytest.fixture(params=WITHOUT)
def lacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A worker that finds its kernel without a part."""
    here = probe.isolation_here()
    if not here.complete:
        pytest.skip(f"this machine is one already: {here.lacks}")
    boot = process._BOOT.format("auditkit.models.worker").replace("runpy.run", f"{WITHOUT[request.param]};runpy.run", 1)
    whole = process.child_command

    def command(descriptor: int) -> list[str]:
        parts = whole(descriptor)
        assert parts[3] == process._BOOT.format("auditkit.models.worker")
        return [*parts[:3], boot, *parts[4:]]

    monkeypatch.setattr(process, "child_command", command)
    return str(request.param)


@pytest.mark.slow
def test_data_goes_on_and_says_what_was_missing(lacking, original):
    batch = batch_of(as_dataset(mixed_table()))
    with open_model(ModelSpec(kind="torch", path=original), device="cpu") as model:
        assert SAID[lacking] in model.info.isolation
        expected = load_trained(original, "cpu").predict(batch).values
        np.testing.assert_array_equal(model.predict(batch).values, expected)
    here = probe.isolation_here()
    assert not here.complete
    assert ("no Landlock" in here.lacks) == (lacking != "seccomp")
    assert ("no seccomp" in here.lacks) == (lacking != "landlock")


@pytest.mark.slow
def test_code_is_refused_unless_no_sandbox_is_said(lacking, tmp_path):
    path = tmp_path / "model.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\ndef predict(frame): return [0.5] * len(frame)\n")
    spec = ModelSpec(kind="python", path=path, outputs="values")
    with pytest.raises(
        InputRefusedError, match=r"can't contain that: no .*this system has none.*--no-sandbox"
    ) as caught:
        open_model(spec, device="cpu", trust=Trust(code=True))
    assert caught.value.exit_code == 4
    assert str(caught.value).startswith(str(path))
    assert not (tmp_path / "ran").exists()
    with open_model(spec, device="cpu", trust=Trust(code=True, sandbox=False)) as model:
        assert "(--no-sandbox)" in model.info.isolation
    assert (tmp_path / "ran").exists()


def test_without_landlock_no_file_is_written_either(lacking, tmp_path):
    if lacking != "landlock":
        pytest.skip("it is the filter that sees to it")
    code = "import os\ndef predict(frame):\n    open(os.path.join(os.environ['HOME'], 'x'), 'w')\n"
    path = tmp_path / "model.py"
    path.write_text(code)
    from auditkit.models.worker.client import open_in_worker
    from auditkit.models.worker.request import OpenRequest

    options = {"name": "m", "function": "predict", "outputs": "values", "inputs": ["x"]}
    with (
        open_in_worker(OpenRequest("python", path, "cpu", options), "0" * 64) as model,
        pytest.raises(Exception, match=r"PermissionError: \[Errno 1\]"),
    ):
        model.predict({"x": np.zeros(2)})


# --- the whole command line -------------------------------------------------------------------------------------------

PLAN = """
name: planted
model: {kind: python, path: model.py, outputs: probabilities, classes: ["0", "1"]}
data: {splits: {test: rows.csv}, target: y, positive: "1"}
gates: none
"""
GOOD = "def predict(frame): return [[0.4, 0.6]] * len(frame)\n"


@pytest.fixture
def run(tmp_path: Path, auditkit: Callable[..., object]) -> Callable[..., object]:
    """`auditkit run` of a plan whose model is this code."""
    here = probe.isolation_here()
    if not here.complete:
        pytest.skip(f"this machine can't contain a model: {here.lacks}")
    rows = [f"{n % 7},{n % 2}" for n in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    (tmp_path / "audit.yaml").write_text(PLAN)

    def call(code: str, *flags: str) -> object:
        (tmp_path / "model.py").write_text(code)
        return auditkit("run", tmp_path / "audit.yaml", "--out", tmp_path / "out", *flags)

    return call


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [
        ("import socket; socket.create_connection(('127.0.0.1', 1))", 4, "PermissionError"),
        (GOOD + "open('rows.csv')", 4, "Error"),
        ("def predict(frame): return open('{folder}/rows.csv').read()", 3, "PermissionError: [Errno 13]"),
        ("import os\ndef predict(frame): os.kill(os.getppid(), 9)", 3, "PermissionError: [Errno 1]"),
        ("import os\ndef predict(frame): os.kill(os.getpid(), 9)", 3, "was killed (SIGKILL)"),
    ],
)
def test_exit_codes_of_a_run(run, tmp_path, code, exit_code, words):
    answer = run(code.replace("{folder}", str(tmp_path)), "--trust-code")
    assert answer.code == exit_code, answer.text
    assert words in answer.err
    assert (tmp_path / "rows.csv").read_text().startswith("x,y\n")


def test_an_audit_states_its_isolation(run, tmp_path):
    answer = run(GOOD, "--trust-code")
    assert answer.code == 0, answer.text
    stated = (tmp_path / "out" / "audit.json").read_text()
    assert str(probe.isolation_here()) in stated

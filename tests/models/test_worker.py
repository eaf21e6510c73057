"""The worker process: what it gets, what it may use, and what becomes of its crashes, hangs and lies."""

import gc
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from auditkit.core.errors import InputRefusedError, ModelCrashedError, PlanError
from auditkit.core.files import sha256_tree
from auditkit.core.model import Differentiable
from auditkit.models.open import open_model
from auditkit.models.spec import ModelSpec
from auditkit.models.trained import load_trained
from auditkit.models.worker import process
from auditkit.models.worker.client import Timeouts, WorkerModel, open_in_worker
from auditkit.models.worker.request import OpenRequest

from .tables import CLASSES, batch_of

BATCH = {"x": np.arange(4.0), "c": np.array(["u", None, "v", "u"], dtype=object)}
SHORT = Timeouts(open=60, predict=2, attribute=2)


@pytest.fixture(scope="module")
def opened(bundle):
    with open_model(ModelSpec(kind="torch", path=bundle), device="cpu") as model:
        yield model


@pytest.fixture
def fake(monkeypatch):
    """Opens a worker that misbehaves in the way asked for."""
    models = []

    def start(mode: str) -> WorkerModel:
        script = str(Path(__file__).with_name("fake_child.py"))
        monkeypatch.setattr(process, "child_command", lambda fd: [sys.executable, script, mode, str(fd)])
        models.append(open_in_worker(OpenRequest("trained", Path("model"), "cpu"), "0" * 64, timeouts=SHORT))
        return models[-1]

    yield start
    for model in models:
        model.close()


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_answers_the_same_bits_as_the_model_in_this_process(opened, bundle, dataset):
    batch = batch_of(dataset)
    expected = load_trained(bundle, "cpu").predict(batch).values
    assert np.array_equal(opened.predict(batch).values, expected)
    assert np.array_equal(opened.predict(batch).values, expected)
    info = opened.info
    assert info.sha256 == sha256_tree(bundle)
    assert info.classes == CLASSES
    assert info.outputs == "logits"
    assert info.inputs == ("age", "pay", "job", "town")
    assert info.description == "residual MLP, 1 block of 16, dropout 0.1"
    assert info.isolation.startswith("worker process")
    assert info.parameters == sum(p.numel() for p in load_trained(bundle, "cpu").network.parameters())


def test_a_trained_model_opens_without_torchs_compiler(bundle):
    script = (
        "import sys; from pathlib import Path; from auditkit.models.trained import load_trained;"
        f"load_trained(Path({str(bundle)!r}), 'cpu'); assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_attributions_come_through(opened, bundle, dataset):
    batch = {name: values[:20] for name, values in batch_of(dataset).items()}
    outputs = np.zeros(20, dtype=np.int64)
    assert isinstance(opened, Differentiable)
    found, expected = opened.attribute(batch, outputs, 16), load_trained(bundle, "cpu").attribute(batch, outputs, 16)
    assert found.features == expected.features == ("age", "pay", "job", "town")
    assert np.array_equal(found.values, expected.values)
    assert np.array_equal(found.delta, expected.delta)
    assert found.baseline == expected.baseline


def test_an_empty_batch_and_an_absent_input(opened, dataset):
    batch = batch_of(dataset)
    assert opened.predict({name: values[:0] for name, values in batch.items()}).values.shape == (0, 2)
    del batch["job"]
    with pytest.raises(PlanError, match="'job'"):
        opened.predict(batch)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_limits_environment_and_input_of_the_child(bundle, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    with open_model(ModelSpec(kind="torch", path=bundle), device="cpu") as model:
        proc = Path(f"/proc/{model.pid}")
        limits = {line[:25].strip(): line[25:].split()[0] for line in (proc / "limits").read_text().splitlines()[1:]}
        variables = dict(v.split("=", 1) for v in (proc / "environ").read_text().split("\0") if v)
        status = (proc / "status").read_text()
        assert os.readlink(proc / "fd" / "0") == "/dev/null"
        assert os.getsid(model.pid) == model.pid
    assert limits["Max core file size"] == "0"
    assert limits["Max file size"] == str(1 << 20)
    assert limits["Max open files"] == "256"
    assert 1 << 33 <= int(limits["Max address space"]) < 1 << 34
    assert "NoNewPrivs:\t1" in status
    assert "secret" not in variables.values()
    assert not {"PYTHONPATH", "GITHUB_TOKEN", "USER"} & set(variables)
    assert variables["PATH"] == os.environ["PATH"]
    assert variables["HOME"] != os.environ.get("HOME")
    assert not Path(variables["HOME"]).exists()
    assert gone(model.pid)


def test_only_the_inputs_are_sent(fake):
    model = fake("good")
    assert model.predict(BATCH).values.shape == (4, 2)
    home = Path(f"/proc/{model.pid}/cwd").resolve()
    sent = (home / "seen").read_text().splitlines()
    assert sent == ["predict", "x:numeric", "c:categorical", "0", "1.bytes", "1.codes", "1.ends"]


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("segfault", r"segmentation fault \(SIGSEGV\) while it scored 4 rows"),
        ("killed", "SIGKILL.*ran out of memory"),
        ("real-time", "was ended by signal 40 while it scored 4 rows"),
        ("exit", "ended with code 7 while it scored 4 rows; it last said:  .31mbefore the end"),
        ("half", "ended with code 0"),
        ("hang", "no answer after 2 s while it scored 4 rows"),
        ("garbage", "no prediction"),
        ("bomb", "no prediction"),
        ("pickle", "an array of a type or shape"),
        ("short", r"float64 \[3, 2\] for 4 rows"),
        ("wide", "3 output columns, not 2"),
        ("flat", r"\[8\] for 4 rows"),
        ("float32", "float32"),
        ("integers", "int64"),
        ("nothing", "no prediction"),
        ("labels", "a frame 'labels'"),
        ("memory", "out of memory while it scored 4 rows; a smaller run.batch_size"),
        ("raises", "the model failed while it scored 4 rows: ValueError:  .2Jno"),
    ],
)
def test_a_broken_answer_is_one_clear_sentence(fake, mode, message):
    model = fake(mode)
    with pytest.raises(ModelCrashedError, match=message) as caught:
        model.predict(BATCH)
    assert caught.value.exit_code == 3
    assert len(str(caught.value).splitlines()) == 1
    assert "\x1b" not in str(caught.value)
    if mode not in ("memory", "raises"):
        assert gone(model.pid)
        with pytest.raises(ModelCrashedError, match="has ended"):
            model.predict(BATCH)


def test_numbers_that_are_none_pass_as_unscored(fake):
    assert np.isnan(fake("nan").predict(BATCH).values).all()


def test_an_attribution_to_what_was_not_sent_is_no_answer(fake):
    with pytest.raises(ModelCrashedError, match="no prediction"):
        fake("attribution").attribute(BATCH, np.zeros(4, dtype=np.int64), 8)


@pytest.mark.parametrize("mode", ["attribution-of-number", "attribution-of-lists"])
def test_an_attribution_to_what_is_no_name_is_refused(fake, mode):
    with pytest.raises(ModelCrashedError, match="answered something that is no prediction"):
        fake(mode).attribute(BATCH, np.zeros(4, dtype=np.int64), 8)


@pytest.mark.parametrize(
    ("mode", "message"),
    [("open-segfault", "SIGSEGV.*while it loaded"), ("open-exit", "code 7"), ("open-x", "described no model")],
)
def test_a_crash_while_loading_leaves_no_process(fake, mode, message):
    with pytest.raises(ModelCrashedError, match=message):
        fake(mode)
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    commands = [Path(f"/proc/{p}/cmdline").read_text() for p in children.stdout.split() if Path(f"/proc/{p}").exists()]
    assert not [c for c in commands if "fake_child" in c]


def test_dropped_models_end_their_process(fake):
    model = fake("hang")
    pid = model.pid
    process_ = model._process
    process_.close()
    process_.close()
    assert gone(pid)


def test_a_model_that_nobody_holds_is_closed(bundle):
    model = open_model(ModelSpec(kind="torch", path=bundle), device="cpu")
    pid = model.pid
    del model
    gc.collect()
    assert gone(pid)


def test_no_process_outlives_the_parent(bundle):
    script = (
        "import os, sys; from pathlib import Path; from auditkit.models.open import open_model;"
        "from auditkit.models.spec import ModelSpec;"
        f"m = open_model(ModelSpec(kind='torch', path=Path({str(bundle)!r})), device='cpu');"
        "print(m.pid, flush=True); assert 'torch' not in sys.modules; os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    deadline = time.monotonic() + 10
    while not gone(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(int(done.stdout))


def test_a_torch_module_in_the_working_directory_is_not_imported(bundle, tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "numpy.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    with open_model(ModelSpec(kind="torch", path=bundle), device="cpu") as model:
        assert model.info.differentiable
    assert not (tmp_path / "ran").exists()


def test_a_plan_without_a_model_to_open():
    with pytest.raises(PlanError, match=r"model.path"):
        open_model(ModelSpec(kind="torch"))
    with pytest.raises(PlanError, match=r"model.kind"):
        open_model(ModelSpec(kind="predictions", prediction="p"))
    with pytest.raises(PlanError, match=r"model.path"):
        open_model(ModelSpec(kind="python"))


def test_a_file_that_changes_while_it_loads_is_refused_and_no_process_is_left(bundle, tmp_path, monkeypatch):
    copy = tmp_path / "model"
    shutil.copytree(bundle, copy)
    started = []

    def swapped(*arguments, **more):
        started.append(open_in_worker(*arguments, **more))
        (copy / "model.safetensors").write_bytes(b"another model")
        return started[0]

    monkeypatch.setattr("auditkit.models.open.open_in_worker", swapped)
    with pytest.raises(InputRefusedError, match="changed while it was loaded"):
        open_model(ModelSpec(kind="torch", path=copy), device="cpu")
    assert gone(started[0].pid)


def test_a_device_that_is_not_there_is_a_wrong_plan(bundle):
    with pytest.raises(PlanError, match=r"run.device"):
        open_model(ModelSpec(kind="torch", path=bundle), device="cuda:99")

"""Training: what it leaves, that it resumes to the same bits, and what it refuses."""

import json
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.utils.class_weight import compute_class_weight

from auditkit.core.errors import InputRefusedError, PlanError, UnfinishedError
from auditkit.core.files import sha256_tree
from auditkit.core.progress import SilentProgress
from auditkit.core.tables import HISTORY
from auditkit.core.types import TaskKind
from auditkit.models.train.loop import Trainer, class_weights
from auditkit.models.train.spec import EarlyStopping, TrainSpec
from auditkit.models.train.store import class_codes, validation_rows
from auditkit.models.trained import load_trained

from .tables import CLASSES, SMALL, as_dataset, batch_of, mixed_table, train


class Killed(BaseException):
    """Stands for Ctrl-C at a chosen moment."""


class StopAfter(SilentProgress):
    """Kills the training once so many epochs are checkpointed."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def bar(self, what, total):
        bar = super().bar(what, total)
        return bar if what != "training" else _Stopping(self.epochs)


class _Stopping:
    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def advance(self, amount=1, note=""):
        self.left -= amount
        if self.left == 0:
            raise Killed


def test_leaves_three_files_and_predicts_the_same_bits_when_loaded_again(dataset, bundle, tmp_path):
    assert sorted(p.name for p in bundle.iterdir()) == ["history.parquet", "model.json", "model.safetensors"]
    batch = batch_of(dataset)
    first, second = load_trained(bundle, "cpu"), load_trained(bundle, "cpu")
    expected = first.predict(batch).values
    assert expected.shape == (200, 2)
    assert np.array_equal(first.predict(batch).values, expected)
    assert np.array_equal(second.predict(batch).values, expected)


def test_the_same_seed_gives_the_same_files_and_another_does_not(dataset, bundle, tmp_path):
    train(dataset, tmp_path / "a")
    assert sha256_tree(tmp_path / "a") == sha256_tree(bundle)
    train(dataset, tmp_path / "b", seed=1)
    assert (tmp_path / "b" / "model.safetensors").read_bytes() != (bundle / "model.safetensors").read_bytes()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("after", [1, 2])
def test_resumed_training_ends_with_the_same_bytes(dataset, tmp_path, optimizer, after):
    spec = SMALL.model_copy(update={"optimizer": optimizer, "early_stopping": EarlyStopping(patience=2)})
    train(dataset, tmp_path / "whole", spec)
    with pytest.raises(Killed):
        train(dataset, tmp_path / "cut", spec, progress=StopAfter(after))
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == [".checkpoint"]
    result = train(dataset, tmp_path / "cut", spec, resume=True)
    assert result.epochs_run == 3
    assert sha256_tree(tmp_path / "cut") == sha256_tree(tmp_path / "whole")


def test_resume_after_sigkill_in_the_middle_of_an_epoch(dataset, bundle, tmp_path):
    script = f"""
        import os, signal
        from auditkit.models.train.loop import Trainer
        from pathlib import Path
        from tests.models.tables import as_dataset, mixed_table, train
        steps = 0
        step = Trainer._step
        def dying(self, loss):
            global steps
            steps += 1
            if steps == 12:
                os.kill(os.getpid(), signal.SIGKILL)
            step(self, loss)
        Trainer._step = dying
        train(as_dataset(mixed_table()), Path({str(tmp_path / "cut")!r}))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "cut" / ".cache").exists()
    with pytest.raises(PlanError, match=r"unfinished training.*--resume"):
        train(dataset, tmp_path / "cut")
    train(dataset, tmp_path / "cut", resume=True)
    assert sha256_tree(tmp_path / "cut") == sha256_tree(bundle)


def test_resume_of_a_finished_training_trains_nothing(dataset, tmp_path, monkeypatch):
    first = train(dataset, tmp_path / "out")
    monkeypatch.setattr(Trainer, "run_epoch", lambda self: pytest.fail("trained again"))
    assert train(dataset, tmp_path / "out", resume=True) == first


def test_resume_refuses_another_plan(dataset, tmp_path):
    with pytest.raises(Killed):
        train(dataset, tmp_path / "out", progress=StopAfter(1))
    with pytest.raises(PlanError, match="another plan, data or seed"):
        train(dataset, tmp_path / "out", SMALL.model_copy(update={"width": 17}), resume=True)


def test_history_is_what_the_model_itself_gives(dataset, tmp_path):
    """The last validation loss and accuracy, computed again from the saved model by scikit-learn."""
    result = train(dataset, tmp_path / "out")
    chunk = next(iter(dataset.stream("train")))
    held_out = validation_rows(chunk.input_hash, 0, SMALL.validation)
    logits = load_trained(tmp_path / "out", "cpu").predict({k: v[held_out] for k, v in chunk.inputs.items()}).values
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array(chunk.target.to_pylist())[held_out]
    last = result.history[-1]
    assert last["validation_loss"] == pytest.approx(log_loss(truth, shares[:, 1]), rel=1e-5)
    assert last["validation_metric"] == accuracy_score(truth, np.array(CLASSES)[logits.argmax(axis=1)])
    table = pq.read_table(tmp_path / "out" / "history.parquet")
    assert tuple(table.column_names) == (*HISTORY.keys, *HISTORY.columns)
    assert table.schema.metadata[b"metric"] == b"accuracy"
    assert table.to_pylist() == result.history
    description = json.loads((tmp_path / "out" / "model.json").read_text())
    assert description["training"]["validation_rows"] == held_out.sum()
    assert description["training"]["data_sha256"] == dataset.digests["train"]


def test_learns(dataset, tmp_path):
    result = train(dataset, tmp_path / "out", SMALL.model_copy(update={"epochs": 15, "learning_rate": 0.01}))
    assert result.history[-1]["validation_metric"] > 0.9
    assert result.best_epoch == result.epochs_run == 15


def test_early_stopping_keeps_the_best_epoch(tmp_path):
    """Labels are noise: the validation loss rises early."""
    table = mixed_table(400)
    noise = np.random.default_rng(1).choice(["yes", "no"], 400)
    dataset = as_dataset(table.set_column(4, "label", pa.array(noise)))
    rule = EarlyStopping(patience=3)
    spec = TrainSpec(
        epochs=60, batch_size=32, width=64, learning_rate=0.01, dropout=0, validation=0.3, early_stopping=rule
    )
    result = train(dataset, tmp_path / "a", spec)
    losses = [row["validation_loss"] for row in result.history]
    assert result.best_epoch == int(np.argmin(losses)) + 1
    assert result.epochs_run == result.best_epoch + 3 < 60
    exact = train(dataset, tmp_path / "b", spec.model_copy(update={"early_stopping": None}))
    assert exact.best_epoch == 60
    assert exact.history[-1]["train_loss"] < result.history[-1]["train_loss"]


def test_regression_answers_in_units_of_the_target(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 2))
    y = 5_000 + 700 * x[:, 0] - 300 * x[:, 1] + rng.normal(0, 20, 800)
    y[:30] = np.nan
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "y": pa.array(y, from_pandas=True)})
    dataset = as_dataset(table, target="y")
    said = []
    progress = SilentProgress()
    progress.say = said.append
    spec = TrainSpec(epochs=40, batch_size=64, width=32, learning_rate=0.01, validation=0, dropout=0)
    options = {"task": TaskKind.REGRESSION, "classes": (), "positive": None, "progress": progress}
    result = train(dataset, tmp_path / "out", spec, **options)
    assert said == ["30 training rows have no target and were left out"]
    model = load_trained(tmp_path / "out", "cpu")
    assert model.info.estimates == "regression"
    assert model.info.outputs == "values"
    assert model.info.classes is None
    found = model.predict({"a": x[30:, 0], "b": x[30:, 1]}).values
    assert found.shape == (770, 1)
    linear = LinearRegression().fit(x[30:], y[30:]).predict(x[30:])
    assert np.abs(found[:, 0] - linear).mean() < 40
    last = result.history[-1]
    assert last["validation_loss"] is None
    assert last["train_metric"] == pytest.approx(np.abs(found[:, 0] - y[30:]).mean(), rel=0.3)


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    found = class_weights(TrainSpec(class_weights="balanced"), (50, 30, 20), ("a", "b", "c"))
    np.testing.assert_allclose(found, compute_class_weight("balanced", classes=np.arange(3), y=labels), rtol=1e-6)
    assert class_weights(TrainSpec(class_weights={"b": 2}), (1, 1, 1), ("a", "b", "c")).tolist() == [1, 2, 1]


def test_class_weights_weight_the_loss(tmp_path):
    """From a constant input, the best answer is the weighted share of each label: 5 * 50 / (5 * 50 + 150)."""
    table = pa.table({"x": np.ones(200), "label": ["yes"] * 50 + ["no"] * 150})
    spec = TrainSpec(epochs=150, batch_size=200, width=4, depth=0, learning_rate=0.05, weight_decay=0, validation=0)
    dataset = as_dataset(table)
    train(dataset, tmp_path / "out", spec.model_copy(update={"class_weights": {"yes": 5.0}}))
    logits = load_trained(tmp_path / "out", "cpu").predict({"x": np.ones(1)}).values[0]
    assert 1 / (1 + np.exp(logits[0] - logits[1])) == pytest.approx(250 / 400, abs=0.005)


def test_validation_share_is_stable_and_keeps_copies_together():
    hashes = np.random.default_rng(0).integers(0, 2**63, 20_000).astype(np.uint64)
    chosen = validation_rows(hashes, 3, 0.1)
    assert abs(chosen.mean() - 0.1) < 0.01
    assert np.array_equal(validation_rows(hashes[::-1], 3, 0.1)[::-1], chosen)
    assert not np.array_equal(validation_rows(hashes, 4, 0.1), chosen)


def test_numeric_labels_are_the_text_that_the_plan_uses():
    assert class_codes(pa.array([1.0, 0.0, None]), ("0", "1")).tolist() == [1, 0, -1]
    with pytest.raises(PlanError, match="label '2' is not one of the classes"):
        class_codes(pa.array([2.0]), ("0", "1"))


def test_divergence_is_said_with_a_remedy(dataset, tmp_path):
    spec = SMALL.model_copy(update={"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": None})
    with pytest.raises(UnfinishedError, match=r"diverged in epoch 1.*smaller train.learning_rate"):
        train(dataset, tmp_path / "out", spec)


def test_no_memory_for_a_batch_is_said_with_a_remedy(dataset, tmp_path, monkeypatch):
    def full(self, loss):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(Trainer, "_step", full)
    with pytest.raises(UnfinishedError, match=r"smaller train.batch_size"):
        train(dataset, tmp_path / "out")


def test_leaves_torchs_random_numbers_and_threads_alone(dataset, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    train(dataset, tmp_path / "out")
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda out: out.write_text("x"), "is a file"),
        (lambda out: (out.mkdir(), (out / "thesis.doc").write_text("x")), "holds something else .'thesis.doc'"),
        (lambda out: (out.mkdir(), (out / "model.json").write_text("{}")), "trained model already"),
    ],
)
def test_refuses_to_write_over_what_is_there(dataset, tmp_path, make, message):
    make(tmp_path / "out")
    with pytest.raises(PlanError, match=message):
        train(dataset, tmp_path / "out")


def test_refuses_a_directory_in_use(dataset, tmp_path):
    class Second(SilentProgress):
        def bar(self, what, total):
            with pytest.raises(PlanError, match="in use by another training"):
                train(dataset, tmp_path / "out", resume=True)
            return super().bar(what, total)

    assert train(dataset, tmp_path / "out", SMALL.model_copy(update={"epochs": 1}), progress=Second()).epochs_run == 1


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"validation": 0, "early_stopping": EarlyStopping()}, {}, "train.early_stopping"),
        ({"class_weights": {"yess": 2.0}}, {}, "no class 'yess'; did you mean 'yes'"),
        ({}, {"classes": ("only",)}, "at least two labels"),
        ({}, {"classes": ("no", "si")}, "label 'yes' is not one of the classes"),
        ({}, {"device": "cuda:99"}, "run.device"),
    ],
)
def test_an_unusable_plan_is_one_clear_message(dataset, tmp_path, change, options, message):
    with pytest.raises(PlanError, match=message):
        train(dataset, tmp_path / "out", SMALL.model_copy(update=change), **options)


def test_nothing_to_learn_is_refused(tmp_path):
    table = mixed_table(50).set_column(4, "label", pa.array(["yes"] * 50))
    with pytest.raises(InputRefusedError, match="a single label"):
        train(as_dataset(table), tmp_path / "out")

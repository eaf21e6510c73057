"""Torch files of third parties: what the worker loads from them answers what the module itself answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from auditkit.core.errors import InputRefusedError, ModelCrashedError, PlanError
from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.live import TensorInput, wrap
from auditkit.models.snapshot import Snapshots
from auditkit.models.spec import ModelSpec
from auditkit.models.torch_file.file_module import FileModule, LimitedBatch
from auditkit.models.torch_file.open import opening_of_torch_file
from auditkit.models.trust import Trust
from auditkit.models.worker.loaders import LOADERS
from tests.models.torch_nets import BUILDER, COLUMNS, FORMS, Net, copy_of, save, trained_net

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore:.*isinstance.*")

NUMERIC = tuple(Input(name, InputKind.NUMERIC) for name in COLUMNS)


class Anybody(Trust):
    """Trusts every file: what this process loads here was written here."""

    def granted(self, path, sha256, *, own_code=False):
        return Trust(frozenset({sha256})).granted(path, sha256)


def load(path: Path, inputs=NUMERIC, **fields) -> FileModule:
    """As the worker loads it, in this process."""
    spec = ModelSpec(kind="torch", path=path, **{"outputs": "logits", **fields})
    with Snapshots() as copies:
        found = opening_of_torch_file(spec, path, inputs, Anybody(), copies)
        request = found.request
        model = LOADERS[request.loader].load(request.path, "cpu", request.options)
    assert isinstance(model, FileModule)
    return model


@pytest.fixture(scope="module")
def net() -> Net:
    return trained_net()


@pytest.fixture(scope="module")
def folder(net, tmp_path_factory) -> Path:
    """The same network in every form, and its builder."""
    folder = tmp_path_factory.mktemp("forms")
    for form in FORMS:
        save(net, folder, form)
    (folder / "net.py").write_text(BUILDER)
    return folder


def fields_of(form: str, folder: Path) -> dict[str, str]:
    return {"builder": f"{folder / 'net.py'}:make"} if form.startswith("weights") else {}


def rows(count: int, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(1, 2, count) for name in COLUMNS}


def stacked(batch: dict[str, np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.column_stack(list(batch.values())).astype(np.float32))


DESCRIBED = {
    "weights.pt": "torch module Net",
    "weights.safetensors": "torch module Net",
    "whole.pt": "torch module Sequential",
    "dynamic.pt2": "torch.export program",
    "static.pt2": "torch.export program",
}


@pytest.mark.parametrize("form", FORMS)
def test_it_answers_and_explains_what_the_module_does(net, folder, form):
    model = load(folder / form, **fields_of(form, folder))
    batch = rows(11)
    with torch.no_grad():
        expected = net(stacked(batch)).double().numpy()
    found = model.predict(batch)
    assert found.values is not None
    # A frozen program has its batch normalisation folded into the weights before it.
    np.testing.assert_allclose(found.values, expected, rtol=1e-4 if form == "frozen.pt" else 1e-6, atol=1e-6)
    if form not in ("frozen.pt", "static.pt2"):
        assert np.array_equal(found.values, expected)
    assert np.array_equal(found.values, model.predict(batch).values)
    assert np.allclose(found.values[:5], model.predict({k: v[:5] for k, v in batch.items()}).values, rtol=1e-5)

    info = model.info
    assert info.outputs == "logits"
    assert info.inputs == COLUMNS
    assert info.parameters == (None if form == "frozen.pt" else sum(p.numel() for p in net.parameters()))
    assert info.description == DESCRIBED.get(form, "TorchScript module Net")
    assert info.differentiable
    attribution = model.attribute(batch, np.arange(11) % 2, 20)
    x, target = stacked(batch), torch.arange(11) % 2
    values, delta = IntegratedGradients(net).attribute(
        x, torch.zeros_like(x), target, n_steps=20, return_convergence_delta=True
    )
    np.testing.assert_allclose(attribution.values, values.detach().numpy(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(attribution.delta, delta.numpy(), atol=1e-4)
    assert attribution.features == COLUMNS
    model.close()


def test_a_program_of_four_rows_says_so(folder):
    model = load(folder / "static.pt2")
    assert model.notes == (
        "The program takes exactly 4 rows at a time: batches were cut, and the last one filled up with copies of its "
        "last row.",
    )
    assert load(folder / "dynamic.pt2").notes == ()


def test_a_program_with_a_range_of_rows(tmp_path, net):
    rows_dim = torch.export.Dim("rows", min=3, max=5)
    program = torch.export.export(net, (torch.zeros(4, 3),), dynamic_shapes=({0: rows_dim},))
    torch.export.save(program, tmp_path / "some.pt2")
    model = load(tmp_path / "some.pt2")
    assert "3 to 5 rows at a time" in model.notes[0]
    for count in (1, 2, 3, 5, 6, 7, 13):
        batch = rows(count)
        with torch.no_grad():
            expected = net(stacked(batch)).numpy()
        np.testing.assert_allclose(model.predict(batch).values, expected, rtol=1e-5, atol=1e-6)


def test_cut_batches_give_every_row_its_own_answer_and_gradient():
    sizes = []

    class Counting(nn.Module):
        def forward(self, x):
            sizes.append(len(x))
            return x.square()

    limited = LimitedBatch(Counting(), 4, 4)
    x = torch.arange(10.0).reshape(-1, 1).requires_grad_()
    answer = limited(x)
    assert torch.equal(answer, x.square())
    answer.sum().backward()
    assert torch.equal(x.grad, 2 * x)
    assert sizes == [4, 4, 4]


# --- modes and outputs -----------------------------------------------------------------------------------------------


def test_a_program_exported_in_training_mode_is_refused(tmp_path, net):
    program = torch.export.export(copy_of(net).train(), (torch.zeros(4, 3),))
    torch.export.save(program, tmp_path / "training.pt2")
    with pytest.raises(InputRefusedError, match=r"exported in training mode \(\w+\).*export `model.eval\(\)`"):
        load(tmp_path / "training.pt2")


class Odd(nn.Module):
    """Answers something that is no matrix of numbers."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.line = nn.Linear(3, 2)

    def forward(self, x):
        y = self.line(x)
        return {
            "tuple": (y, y),
            "dict": {"logits": y},
            "cube": y[:, None],
            "sum": y.sum(0),
            "complex": torch.complex(y, y),
        }[self.kind]


ANSWERS = [
    ("tuple", "it answered tuple for 2 rows"),
    ("dict", "it answered dict for 2 rows"),
    ("cube", r"it answered \[2, 1, 2\] for 2 rows"),
    ("complex", "complex numbers"),
]


@pytest.mark.parametrize(("kind", "message"), ANSWERS)
def test_answers_that_are_no_matrix(tmp_path, kind, message):
    torch.jit.trace(Odd(kind), torch.zeros(4, 3), strict=False).save(str(tmp_path / "odd.pt"))
    with pytest.raises(ModelCrashedError, match=message):
        load(tmp_path / "odd.pt")


def test_an_answer_for_the_whole_batch_is_none_for_its_rows(tmp_path):
    torch.jit.trace(Odd("sum"), torch.zeros(4, 3)).save(str(tmp_path / "odd.pt"))
    model = load(tmp_path / "odd.pt")  # two rows, two answers: it shows with three
    with pytest.raises(ModelCrashedError, match=r"it answered \[2\] for 3 rows"):
        model.predict(rows(3))


@pytest.mark.parametrize("form", ["weights.pt", "traced.pt", "dynamic.pt2", "static.pt2", "whole.pt"])
@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_columns_is_a_wrong_plan(folder, form, count):
    inputs = [Input(f"c{i}", InputKind.NUMERIC) for i in range(count)]
    with pytest.raises(PlanError, match=f"data.inputs: .*reads 3 numbers a row, the plan gives {count}"):
        load(folder / form, inputs, **fields_of(form, folder))


def test_a_model_without_gradients_says_so(tmp_path):
    class Steps(nn.Module):
        def forward(self, x):
            return (x > 0).long().sum(1).float()

    torch.jit.script(Steps()).save(str(tmp_path / "steps.pt"))
    model = load(tmp_path / "steps.pt")
    assert not model.info.differentiable
    assert model.info.parameters is None
    assert "has no gradients" in model.notes[0]
    assert model.predict({name: np.array([1.0, -1.0]) for name in COLUMNS}).values.tolist() == [[3.0], [0.0]]


def test_categorical_columns_by_their_position(tmp_path, folder):
    inputs = [NUMERIC[0], Input("sex", InputKind.CATEGORICAL), NUMERIC[2]]
    preprocess = {"categories": {"sex": ["Female", "Male"]}}
    model = load(folder / "traced.pt", inputs, preprocess=preprocess)
    assert not model.info.differentiable
    batch = {"age": np.array([1.0, 2.0]), "sex": np.array(["Male", "Female"], dtype=object), "gain": np.array([0.5, 1])}
    live = wrap(trained_net(), inputs=inputs, outputs="logits", preprocessing=TensorInput(preprocess["categories"]))
    assert np.array_equal(model.predict(batch).values, live.predict(batch).values)


def test_a_program_of_two_inputs_is_a_wrong_plan(tmp_path):
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    torch.export.save(torch.export.export(Two(), (torch.zeros(4, 3), torch.zeros(4, 3))), tmp_path / "two.pt2")
    with pytest.raises(PlanError, match=r"takes 2 inputs; `kind: torch` gives it one float32 tensor"):
        load(tmp_path / "two.pt2")
    double = torch.export.export(nn.Linear(3, 1).double(), (torch.zeros(4, 3, dtype=torch.float64),))
    torch.export.save(double, tmp_path / "double.pt2")
    with pytest.raises(PlanError, match=r"takes torch.float64 of 2 axes"):
        load(tmp_path / "double.pt2")

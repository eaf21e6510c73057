"""What a plan must say of a torch file, and files that are of no use: weights, builders, programs; exits 2 and 4."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.snapshot import Snapshots
from auditkit.models.spec import ModelSpec
from auditkit.models.torch_file.open import opening_of_torch_file
from auditkit.models.trust import NOBODY
from tests.models.test_torch_files import NUMERIC, load, rows, stacked
from tests.models.torch_nets import BUILDER, Net, copy_of, exported, saved, trained_net

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore:.*isinstance.*")


@pytest.fixture
def net() -> Net:
    return copy_of(trained_net())


@pytest.fixture
def builder(tmp_path) -> str:
    (tmp_path / "net.py").write_text(BUILDER)
    return f"{tmp_path / 'net.py'}:make"


def weights(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    path = folder / "weights.pt"
    path.write_bytes(saved(state))
    return path


# --- the plan --------------------------------------------------------------------------------------------------------


def problems_of(path: Path, inputs=NUMERIC, **fields) -> str:
    with pytest.raises(PlanError) as caught:
        load(path, inputs, **{"outputs": None, **fields})
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_all_that_the_plan_lacks_is_said_at_once(tmp_path, net):
    text = problems_of(
        weights(tmp_path, net.state_dict()),
        [*NUMERIC[:2], Input("sex", InputKind.CATEGORICAL)],
        preprocess={"categories": {"job": ["a", "b"]}},
    )
    assert re.search(r"model\.outputs: say what the module answers: `logits`, `probabilities` or `values`", text)
    assert re.search(r"model\.builder: weights\.pt holds weights and no architecture; .*`builder: net\.py:make`", text)
    assert re.search(r"model\.preprocess\.categories: .*'sex' holds text: .*`preprocess: \{categories: \{sex: ", text)
    assert "model.preprocess.categories.job: not among the inputs" in text
    assert "data.inputs: a torch module needs at least one input" in problems_of(tmp_path / "weights.pt", [])


def test_a_program_needs_no_builder(tmp_path, builder, net):
    torch.export.save(exported(net, static=True), tmp_path / "net.pt2")
    text = problems_of(tmp_path / "net.pt2", outputs="logits", builder=builder)
    assert "model.builder: net.pt2 is a torch.export archive" in text
    assert text.endswith("which needs no builder; leave it out")
    (tmp_path / "whole.pt").write_bytes(saved(nn.Linear(3, 2)))
    text = problems_of(tmp_path / "whole.pt", outputs="logits", builder=builder)
    assert "whole.pt is a pickled module, which needs no builder" in text


def test_code_is_refused_before_the_plan_is_found_wanting(tmp_path, net):
    torch.export.save(exported(net, static=True), tmp_path / "net.pt2")
    spec = ModelSpec(kind="torch", path=tmp_path / "net.pt2")
    with Snapshots() as copies, pytest.raises(InputRefusedError, match=r"--trust sha256:[0-9a-f]{64}$"):
        opening_of_torch_file(spec, tmp_path / "net.pt2", NUMERIC, NOBODY, copies)


# --- weights ---------------------------------------------------------------------------------------------------------


def test_weights_of_half_precision_load_into_single(tmp_path, net, builder):
    half = {name: value.half() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    model = load(weights(tmp_path, half), builder=builder)
    expected = copy_of(net)
    expected.load_state_dict(half)
    with torch.no_grad():
        assert np.array_equal(model.predict(rows(5)).values, expected(stacked(rows(5))).double().numpy())


UNFIT = [
    ("missing", {"last.bias": None, "norm.weight": None}, r"it lacks 'norm.weight', 'last.bias'"),
    ("unexpected", {"extra": torch.zeros(1)}, r"it unexpectedly has 'extra'"),
    ("both", {"last.bias": None, "last.bia": torch.zeros(2)}, r"lacks 'last.bias' and unexpectedly has 'last.bia'"),
    ("shape", {"last.bias": torch.zeros(3)}, r"'last.bias' is float32 \[3\], the module .* needs float32 \[2\]"),
    ("type", {"last.bias": torch.zeros(2, dtype=torch.int64)}, r"'last.bias' is int64 \[2\], .* needs float32 \[2\]"),
    ("NaN", {"last.bias": torch.tensor([0, torch.nan])}, r"tensor 'last.bias' holds NaN or infinite weights"),
    ("infinite", {"first.weight": torch.full((8, 3), torch.inf)}, r"'first.weight' holds NaN or infinite"),
    ("statistics", {"norm.running_mean": torch.full((8,), torch.nan)}, r"'norm.running_mean' holds NaN or infinite"),
    ("variance", {"norm.running_var": torch.full((8,), torch.inf)}, r"'norm.running_var' holds NaN or infinite"),
]


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
@pytest.mark.parametrize(("changes", "message"), [c[1:] for c in UNFIT], ids=[c[0] for c in UNFIT])
def test_weights_that_do_not_fit(tmp_path, net, builder, kind, changes, message):
    state = {name: value for name, value in {**net.state_dict(), **changes}.items() if value is not None}
    path = weights(tmp_path, state)
    if kind == "safetensors":
        path = tmp_path / "weights.safetensors"
        safetensors.torch.save_file(state, path)
    with pytest.raises(InputRefusedError, match=message) as caught:
        load(path, builder=builder)
    assert str(caught.value).startswith(f"{path}: ")


def test_programs_with_weights_that_are_no_numbers(tmp_path, net):
    net.last.bias.data[0] = torch.nan
    torch.jit.script(net).save(str(tmp_path / "script.pt"))
    torch.jit.freeze(torch.jit.script(net)).save(str(tmp_path / "frozen.pt"))
    torch.export.save(exported(net, static=False), tmp_path / "net.pt2")
    (tmp_path / "whole.pt").write_bytes(saved(nn.Sequential(net.first, nn.Tanh(), net.last)))
    for name in ("script.pt", "frozen.pt", "net.pt2", "whole.pt"):
        with pytest.raises(InputRefusedError, match="holds NaN or infinite weights"):
            load(tmp_path / name)


def test_a_mask_of_minus_infinity_is_no_broken_weight(tmp_path):
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(3, 2)
            self.register_buffer("mask", torch.triu(torch.full((3, 3), -torch.inf), 1))

        def forward(self, x):
            return self.line(x) + torch.softmax(self.mask, 1)[0, :2]

    torch.jit.trace(Masked(), torch.zeros(4, 3)).save(str(tmp_path / "masked.pt"))
    assert np.isfinite(load(tmp_path / "masked.pt").predict(rows(3)).values).all()


# --- builders --------------------------------------------------------------------------------------------------------

BUILDERS = [
    ("no function", "def maker():\n    pass\n", PlanError, r"defines no function 'make'; did you mean 'maker'\?"),
    ("no module", "def make():\n    return {}\n", PlanError, r"make\(\) of .*net\.py made a dict, no torch.nn.Module"),
    ("fails", "def make():\n    return 1 / 0\n", InputRefusedError, r"make\(\) failed on line 2 \(ZeroDivisionError"),
    ("arguments", "def make(size):\n    pass\n", InputRefusedError, r"make\(\) failed \(TypeError"),
    ("runs badly", "raise ValueError('no')\n", InputRefusedError, r"running it failed on line 1 \(ValueError: no\)"),
    ("no Python", "def make(:\n", InputRefusedError, r"net\.py: line 1: "),
    ("a neighbour", "import neighbour\n", InputRefusedError, r"imports 'neighbour', .*can't import its neighbours"),
    ("no text", "\0", InputRefusedError, r"net\.py: "),
]


@pytest.mark.parametrize(("code", "error", "message"), [c[1:] for c in BUILDERS], ids=[c[0] for c in BUILDERS])
def test_builders_that_build_nothing(tmp_path, net, code, error, message):
    (tmp_path / "net.py").write_text(code)
    (tmp_path / "neighbour.py").write_text("")
    with pytest.raises(error, match=message) as caught:
        load(weights(tmp_path, net.state_dict()), builder=f"{tmp_path / 'net.py'}:make")
    assert "auditkit-trusted" not in str(caught.value), "the message names the private copy"


def test_a_builder_that_is_not_there(tmp_path, net):
    with pytest.raises(InputRefusedError, match=r"gone\.py: .*(No such file|no such file)"):
        load(weights(tmp_path, net.state_dict()), builder=f"{tmp_path / 'gone.py'}:make")


# --- programs --------------------------------------------------------------------------------------------------------


def test_a_script_without_a_forward(tmp_path):
    class Empty(nn.Module):
        @torch.jit.export
        def score(self, x):
            return x

    torch.jit.script(Empty()).save(str(tmp_path / "empty.pt"))
    with pytest.raises(InputRefusedError, match="no method `forward`"):
        load(tmp_path / "empty.pt")


def test_a_pickled_module_of_a_class_that_is_not_there(tmp_path):
    (tmp_path / "whole.pt").write_bytes(saved(nn.Linear(3, 2)).replace(b"Linear", b"Lineas"))
    with pytest.raises(InputRefusedError, match="needs a class that is defined in the script that saved it"):
        load(tmp_path / "whole.pt")
    (tmp_path / "other.pt").write_bytes(saved({"x": re.compile("a")}))
    with pytest.raises(InputRefusedError, match="holds a dict, no module"):
        load(tmp_path / "other.pt")


def test_what_torch_can_not_load_is_refused_in_one_line(tmp_path, net):
    torch.jit.script(net).save(str(tmp_path / "script.pt"))
    content = (tmp_path / "script.pt").read_bytes()
    (tmp_path / "script.pt").write_bytes(content.replace(b"constants.pkl", b"constants.pkx"))
    torch.export.save(exported(net, static=True), tmp_path / "net.pt2")
    content = (tmp_path / "net.pt2").read_bytes()
    (tmp_path / "net.pt2").write_bytes(content.replace(b'"graph_module"', b'"graph_modulo"'))
    for name in ("script.pt", "net.pt2"):
        with pytest.raises(InputRefusedError, match="can't be loaded") as caught:
            load(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1


def test_the_parent_checks_torch_files_without_torch(tmp_path, net):
    path = weights(tmp_path, net.state_dict())
    code = (
        "import sys; from auditkit.models.torch_file.open import _check; from pathlib import Path\n"
        f"path = Path({str(path)!r})\n"
        "assert _check(path, path).form == 'state_dict'\n"
        "assert not {'torch', 'safetensors', 'captum'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

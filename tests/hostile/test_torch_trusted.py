"""Torch files that run code: refused unless their digest is named, contained by the sandbox where it is. Each of them
does its harm where it is loaded without a sandbox; otherwise containing it would prove nothing."""

import contextlib
import hashlib
import io
import os
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.core.errors import AuditkitError, InputRefusedError
from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.open import open_model
from auditkit.models.spec import ModelSpec
from auditkit.models.trust import NOBODY, Trust
from auditkit.models.trust_file import parse_digest
from tests.hostile.torch_files import saved, zip_of
from tests.models.torch_nets import COLUMNS, exported, trained_net

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore:.*isinstance.*")
INPUTS = [Input(name, InputKind.NUMERIC) for name in COLUMNS]
BATCH = {name: np.zeros(3) for name in COLUMNS}


class Touching:
    """Unpickling it leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return Path.touch, (Path(self.marker),)


class Script(nn.Module):
    """A script that maps a file, which makes it: at once, or for rows other than zeros."""

    def __init__(self, marker: Path, later: bool) -> None:
        super().__init__()
        self.line = nn.Linear(3, 2)
        self.marker = str(marker)
        self.later = later

    def forward(self, x):
        y = self.line(x)
        if not self.later or bool(x.abs().sum() > 0):
            y = y + torch.from_file(self.marker, True, 4).sum()
        return y


def script(path: Path, marker: Path, later: bool = False) -> None:
    torch.jit.script(Script(marker, later)).save(str(path))


def program(path: Path, marker: Path) -> None:
    """A program whose sample inputs are a pickle."""
    stream = io.BytesIO()
    torch.export.save(exported(trained_net(), static=False), stream)
    with zipfile.ZipFile(stream) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (sample,) = [name for name in files if "sample_inputs" in name]
    path.write_bytes(zip_of({**files, sample: saved(Touching(marker))}.items()))


def module(path: Path, marker: Path) -> None:
    path.write_bytes(saved({"weights": torch.zeros(2), "bomb": Touching(marker)}))


def load_unprotected(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.name == "script.pt":
            torch.jit.load(str(path))(torch.ones(2, 3))
        elif path.name == "program.pt2":
            torch.export.load(str(path))
        else:
            torch.load(path, weights_only=False)


def opened(path: Path, trust: Trust = NOBODY, **fields):
    spec = ModelSpec(kind="torch", path=path, outputs="logits", **fields)
    return open_model(spec, inputs=INPUTS, device="cpu", trust=trust)


def flag_in(text: str) -> Trust:
    match = re.search(r"--trust (sha256:[0-9a-f]{64})$", text)
    assert match is not None, text
    return Trust(frozenset({parse_digest(match[1])}))


EVIL: list[tuple[str, Callable[[Path, Path], None], str]] = [
    ("script.pt", script, "a TorchScript archive"),
    ("program.pt2", program, "a torch.export archive"),
    ("module.pt", module, "a torch.save file that names 'pathlib.Path.touch'|names '__builtin__.getattr'"),
]


@pytest.mark.parametrize(("name", "make", "what"), EVIL, ids=[case[0] for case in EVIL])
@pytest.mark.slow
@pytest.mark.usefixtures("containment")
def test_refused_with_its_flag_and_contained_where_it_is_trusted(tmp_path, name, make, what):
    path, marker = tmp_path / name, tmp_path / "ran"
    make(path, marker)
    with pytest.raises(InputRefusedError, match=what) as caught:
        opened(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert len(text.splitlines()) == 1
    assert text.endswith(f"--trust sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")
    with pytest.raises(InputRefusedError, match="No digest that --trust or --trust-file named is its own"):
        opened(path, Trust(frozenset({"0" * 64})))
    assert not marker.exists()

    with pytest.raises(AuditkitError) as caught_later:
        opened(path, flag_in(text))
    assert caught_later.value.exit_code in (3, 4)
    assert len(str(caught_later.value).splitlines()) == 1
    assert not marker.exists()
    assert not list(tmp_path.glob("**/auditkit-trusted-*"))

    with contextlib.suppress(Exception):  # it may fail once it has done its harm
        load_unprotected(path)
    assert marker.exists(), "the file would have done no harm: the test shows nothing"


@pytest.mark.slow
@pytest.mark.usefixtures("containment")
def test_a_script_that_waits_for_real_rows_is_contained_too(tmp_path):
    marker = tmp_path / "ran"
    script(tmp_path / "script.pt", marker, later=True)
    trust = Trust(frozenset({hashlib.sha256((tmp_path / "script.pt").read_bytes()).hexdigest()}))
    with opened(tmp_path / "script.pt", trust) as model:
        assert model.predict(BATCH).values.shape == (3, 2)
        with pytest.raises(AuditkitError) as caught:
            model.predict({name: np.ones(3) for name in COLUMNS})
    assert caught.value.exit_code == 3
    assert not marker.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("containment")
def test_a_builder_is_refused_with_its_flag_and_contained(tmp_path):
    marker = tmp_path / "ran"
    code = f"import os\nos.system('touch {marker}')\nopen({str(marker)!r}, 'w').close()\n\ndef make():\n    pass\n"
    (tmp_path / "net.py").write_text(code)
    (tmp_path / "weights.pt").write_bytes(saved(trained_net().state_dict()))
    builder = f"{tmp_path / 'net.py'}:make"
    with pytest.raises(InputRefusedError, match=r"net\.py: Python code.*--trust-code") as caught:
        opened(tmp_path / "weights.pt", builder=builder)
    # Trusting the weights is not trusting the code.
    weights = hashlib.sha256((tmp_path / "weights.pt").read_bytes()).hexdigest()
    with pytest.raises(InputRefusedError, match=r"net\.py: Python code"):
        opened(tmp_path / "weights.pt", Trust(frozenset({weights})), builder=builder)
    assert flag_in(str(caught.value)).digests == {hashlib.sha256(code.encode()).hexdigest()}
    with pytest.raises(InputRefusedError, match=r"net\.py: running it failed on line 3 \(PermissionError"):
        opened(tmp_path / "weights.pt", Trust(code=True), builder=builder)
    assert not marker.exists()
    exec(compile(code, "net.py", "exec"), {})
    assert marker.exists()


def test_code_of_ones_own_does_not_cover_a_file_of_torch(tmp_path):
    script(tmp_path / "script.pt", tmp_path / "ran")
    with pytest.raises(InputRefusedError, match="a TorchScript archive"):
        opened(tmp_path / "script.pt", Trust(code=True))
    assert os.listdir(tmp_path) == ["script.pt"]

"""Row: NaN or infinite weights, keys missing or unexpected in a checkpoint → exit 4: such a model answers class 0 for
all and looks perfectly fair. Paths that leave the model's directory → exit 4."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.hostile.table.project import Cli, error_line

Weights = dict[str, np.ndarray]


@pytest.fixture
def here(census: Path, tmp_path: Path) -> Path:
    """The census demo with a trained model, to forge."""
    for name in ("train.parquet", "test.parquet"):
        (tmp_path / name).symlink_to(census / name)
    shutil.copy(census / "audit.yaml", tmp_path)
    shutil.copytree(census / "model", tmp_path / "model")
    return tmp_path


def put(number: float) -> Callable[[Weights], object]:
    def change(weights: Weights) -> None:
        next(iter(weights.values())).reshape(-1)[0] = number

    return change


#: tests/hostile/test_model_bundles.py has more of each.
CASES: dict[str, tuple[Callable[[Weights], object], str]] = {
    "NaN": (put(np.nan), "holds NaN or infinite"),
    "infinity": (put(np.inf), "holds NaN or infinite"),
    "a key missing": (lambda w: w.pop("head.bias"), "lacks 'head.bias'"),
    "a key too many": (lambda w: w.update(extra=np.zeros(3, np.float32)), "unexpectedly has 'extra'"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_such_a_model_is_refused(auditkit: Cli, here: Path, name: str) -> None:
    change, message = CASES[name]
    weights = load_file(here / "model" / "model.safetensors")
    change(weights)
    save_file(weights, here / "model" / "model.safetensors")
    answer = auditkit("run", here / "audit.yaml", "--out", here / "out")
    assert answer.code == 4, answer.text
    assert str(here / "model" / "model.safetensors") in error_line(answer)
    assert message in error_line(answer)
    assert not (here / "out" / "audit.json").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_link_that_leaves_the_model_is_refused(auditkit: Cli, here: Path, name: str) -> None:
    (here / "model" / name).rename(here / "outside")
    (here / "model" / name).symlink_to("../outside")
    answer = auditkit("run", here / "audit.yaml", "--out", here / "out")
    assert answer.code == 4, answer.text
    assert f"{here / 'model' / name}: a link that leaves" in error_line(answer)


def test_a_path_inside_of_the_model_changes_nothing(auditkit: Cli, here: Path) -> None:
    """A name in the description that leads elsewhere is a name, and no path."""
    description = json.loads((here / "model" / "model.json").read_text())
    description["architecture"]["name"] = "../../etc/passwd"
    (here / "model" / "model.json").write_text(json.dumps(description))
    answer = auditkit("run", here / "audit.yaml", "--out", here / "out")
    assert answer.code == 4, answer.text
    assert "no architecture '../../etc/passwd'" in error_line(answer)

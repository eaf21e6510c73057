"""The plan's `model:` section as JSON hands it over: strictly, and lists stay lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from auditkit.models.spec import ModelSpec


def _read(**section: Any) -> ModelSpec:
    return ModelSpec.model_validate_json(json.dumps(section), strict=True)


def test_lists_are_read() -> None:
    assert _read(kind="predictions", prediction="p", classes=["a", 1]).classes == ("a", "1")
    assert _read(kind="python", path="m.py", files=["words.txt"]).files == (Path("words.txt"),)
    preprocess = _read(kind="torch", path="m.pt", preprocess={"categories": {"c": ["x", "y"]}}).preprocess
    assert preprocess is not None
    assert preprocess.categories == {"c": ("x", "y")}


def test_a_path_may_name_the_function_that_predicts() -> None:
    spec = _read(kind="python", path="a:b/m.py:score")
    assert (spec.path, spec.function) == (Path("a:b/m.py"), "score")
    assert spec.model_dump(mode="json", exclude_unset=True)["function"] == "score"
    with pytest.raises(ValidationError, match="name one"):
        _read(kind="python", path="m.py:score", function="predict")
    with pytest.raises(ValidationError, match="expected a Python file"):
        _read(kind="python", path="m.txt")

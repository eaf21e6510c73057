"""The same input gives the same `audit.json`, to the last key: a change of it is a decision, never an accident."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from auditkit.core.audit import Audit, Environment
from tests.golden.make import HERE, audit


def _assert_same(found: Any, expected: Any, place: str) -> None:
    if isinstance(expected, dict):
        assert isinstance(found, dict), place
        assert list(found) == list(expected), place
        for key in expected:
            _assert_same(found[key], expected[key], f"{place}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), place
        assert len(found) == len(expected), place
        for index, item in enumerate(expected):
            _assert_same(found[index], item, f"{place}[{index}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), place
    else:
        assert found == expected, place


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "audit.json").read_text(encoding="utf-8"))
    return found


def test_golden(expected: dict[str, Any], tmp_path: Path) -> None:
    _assert_same(audit(tmp_path), expected, "audit")


def test_an_audit_of_this_schema_stays_readable(expected: dict[str, Any]) -> None:
    environment = Environment(auditkit="0.1.0", python="3.11").model_dump()
    read = Audit.from_json(json.dumps({**expected, "environment": environment}))
    assert read.schema_ == "auditkit.audit/1"
    assert len(read.findings) == len(expected["findings"])

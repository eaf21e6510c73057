"""The collector: rounds in the order of what they stand on, reasons for what is absent, the budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import auditkit
from auditkit.core.tables import ATTRIBUTIONS, BASELINE, COLUMNS, DELETION, HISTORY, PERMUTATIONS, PREDICTIONS, ROWS
from auditkit.probes.base import Budget
from auditkit.probes.collect import PROBES, _ordered
from auditkit.probes.sample import derangement

SCHEMAS = {schema.name: schema for schema in (ROWS, PREDICTIONS, COLUMNS, BASELINE, PERMUTATIONS, DELETION)}


def test_a_probe_runs_after_what_it_stands_on() -> None:
    order = [probe.name for probe in _ordered(PROBES, {DELETION.name})]
    assert order.index("integrated gradients") < order.index("deletion test")
    assert order.index("permutation importance") < order.index("deletion test")
    assert "training history" not in order
    assert _ordered(PROBES, set()) == []
    every = {name for probe in PROBES for name in probe.provides}
    assert every == {HISTORY.name, BASELINE.name, ATTRIBUTIONS.name, PERMUTATIONS.name, DELETION.name}


def _frame(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4))
    kind = np.array(["u", "v", None], dtype=object)[rng.integers(0, 3, rows)]
    return pd.DataFrame({**{f"x{k}": x[:, k] for k in range(4)}, "kind": kind, "y": (x[:, 0] > 0).astype(int)})


def _model(frame: pd.DataFrame) -> Any:
    return 1 / (1 + np.exp(-3 * frame.x0 - 0.3 * frame.x1))


def _run(tmp_path: Path, **more: Any) -> auditkit.Audit:
    data = {"train": _frame(400, 0), "test": _frame(300, 1)}
    return auditkit.audit(_model, data, target="y", positive=1, outputs="probabilities", out=tmp_path / "run", **more)


def test_tables_have_the_columns_that_their_schemas_declare(tmp_path: Path) -> None:
    _run(tmp_path)
    found = {path.stem: pq.read_table(path) for path in (tmp_path / "run" / "evidence").glob("*.parquet")}
    assert set(found) == set(SCHEMAS)
    for name, table in found.items():
        schema = SCHEMAS[name]
        known = {*schema.keys, *(c for c in schema.columns if not c.endswith("*"))}
        families = tuple(c.removesuffix("*") for c in schema.columns if c.endswith("*"))
        assert set(schema.keys) <= set(table.column_names), name
        for column in table.column_names:
            assert column in known or column.startswith(families), f"{name}.{column}"
        keys = table.select(list(schema.keys)).to_pandas()
        assert not keys.duplicated().any(), name


def test_the_explanation_of_a_model_that_reads_two_inputs(tmp_path: Path) -> None:
    audit = _run(tmp_path)
    importance = {f.scope.feature: f.value for f in audit.find("permutation_importance")}
    assert importance["x0"] > importance["x1"] > 0
    assert importance["x2"] == importance["x3"] == importance["kind"] == 0
    gain = audit.find("deletion_gain_over_random")[0]
    assert gain.interval is not None
    assert gain.interval[0] > 0


def test_a_spent_budget_is_told_and_nothing_cut_short_is_found_again(tmp_path: Path) -> None:
    audit = _run(tmp_path, budget=1e-6)
    skipped = [f for f in audit.findings if f.check == "explainability.attribution"]
    assert [f.status.value for f in skipped] == ["skipped"]
    assert "time budget ran out" in (skipped[0].reason or "")
    assert audit.find("accuracy", check="performance.summary"), "clean scoring is never cut short"


def test_budget_remembers_whom_it_stopped() -> None:
    assert not Budget(None).spent("a")
    spent = Budget(0.0)
    assert spent.spent("a")
    assert spent.spent("a")
    assert spent.exhausted == ["a"]


@pytest.mark.parametrize("size", [2, 3, 10, 1000])
def test_a_derangement_leaves_no_row_in_its_place(size: int) -> None:
    donors = derangement(np.random.default_rng(0), size)
    assert sorted(donors) == list(range(size))
    assert not np.any(donors == np.arange(size))

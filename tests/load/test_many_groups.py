"""Thousands of groups: judged whole, told of in part, in a report of bounded size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.load_cases import group_names, many_groups, write_plan
from tests.conftest import Answer

GROUPS = 2100
Command = Callable[..., Answer]
OPTIONS = ["--target", "label", "--prediction", "prediction", "--positive", "1", "--sensitive", "shop"]


def read(out: Path) -> dict[str, Any]:
    return json.loads((out / "audit.json").read_text())


def of(audit: dict[str, Any], metric: str, **scope: Any) -> list[dict[str, Any]]:
    return [f for f in audit["findings"] if f["metric"] == metric and not f["gate"]
            and all(f["scope"].get(key) == value for key, value in scope.items())]  # fmt: skip


@pytest.mark.slow
def test_many_groups_with_rows_enough_are_compared(auditkit: Command, tmp_path: Path) -> None:
    path, out = tmp_path / "p.parquet", tmp_path / "out"
    truth = many_groups(path, GROUPS, 30)
    answer = auditkit("gate", path, *OPTIONS, "--max", "demographic_parity_difference=0.99", "--out", out)
    assert answer.code == 0, answer.text
    audit = read(out)
    (gap,) = of(audit, "demographic_parity_difference")
    assert gap["value"] == pytest.approx(truth.parity, abs=1e-12)
    assert gap["interval"][0] <= truth.parity <= gap["interval"][1]
    assert len(gap["scope"]["compared"]) == GROUPS

    # Every group is in the table with its interval; findings are on those furthest out.
    (found,) = of(audit, "groups_found")
    (table,) = (t for t in found["tables"] if t["title"].startswith("Groups of shop"))
    rates = truth.chosen / truth.rows
    place = {name: table["columns"].index(name) for name in ("selection rate", "selection rate, low")}
    assert [row[place["selection rate"]] for row in table["rows"]] == pytest.approx(list(rates))
    assert all(row[place["selection rate, low"]] <= row[place["selection rate"]] for row in table["rows"])
    told = {f["scope"]["groups"][0] for f in of(audit, "selection_rate", attribute="shop")}
    assert 50 < len(told) < 200
    assert {group_names(GROUPS)[i] for i in (rates.argmax(), rates.argmin(), truth.rows.argmin())} <= told
    assert len(audit["findings"]) < 3000

    html = (out / "report.html").read_text()
    assert len(html.encode()) < 500_000
    assert re.search(r"\d+ of 2,100 groups are shown", html)
    assert len(answer.out.splitlines()) < 120
    assert "40 of 2,100 groups are shown" in answer.out


@pytest.mark.slow
def test_a_gate_on_a_rate_judges_every_one_of_many_groups(auditkit: Command, tmp_path: Path) -> None:
    path, out, groups = tmp_path / "p.parquet", tmp_path / "out", 2100
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(groups), 60)
    label = rng.integers(0, 2, len(group))
    # One group in the middle is wrong wherever it is asked; by the number of the wrong ones it is not among the ends
    # of the list.
    prediction = np.where((group == 1234) | (rng.random(len(group)) < 0.02), 1 - label, label)
    names = np.array(group_names(groups))[group]
    pq.write_table(pa.table({"shop": names, "label": label, "prediction": prediction}), path)
    answer = auditkit("gate", path, *OPTIONS, "--min", "accuracy@shop=0.5", "--out", out)
    assert answer.code == 1
    gated = [f for f in read(out)["findings"] if f["gate"]]
    assert len(gated) == groups
    assert [f["scope"]["groups"] for f in gated if f["status"] == "fail"] == [["shop 01234"]]
    assert "shop 01234" in answer.out
    assert "100 of 2,100 rows are shown" in answer.out
    assert len(answer.out.splitlines()) < 400


@pytest.mark.parametrize(("groups", "rows", "id_like"), [(2500, 4, True), (60, 4, False), (900, 1, True)])
def test_an_id_is_told_by_rows_a_group_not_by_their_number(
    auditkit: Command, tmp_path: Path, groups: int, rows: int, id_like: bool
) -> None:
    path = tmp_path / "p.parquet"
    many_groups(path, groups, rows)
    answer = auditkit("gate", path, *OPTIONS, "--max", "demographic_parity_difference=0.9", "--out", tmp_path / "out")
    assert answer.code == 5  # of four rows in each group nothing can be said, either
    (gated,) = [f for f in read(tmp_path / "out")["findings"] if f["gate"]]
    assert ("names rows rather than groups" in gated["reason"]) is id_like
    assert (gated["value"] is None) is id_like


@pytest.mark.slow
def test_a_plan_that_declares_ten_thousand_groups_and_gates_hundreds(auditkit: Command, tmp_path: Path) -> None:
    groups, path = 300, tmp_path / "test.parquet"
    truth = many_groups(path, groups, 40)
    names = group_names(groups)
    declared = [*names, *(f"absent {i}" for i in range(9700))]
    data = ["splits: {test: test.parquet}", "target: label", "positive: 1", "sensitive: [shop]",
            f"groups: {{shop: [{', '.join(declared)}]}}"]  # fmt: skip
    each = [f"{{check: bias.groups, metric: accuracy, by: shop, group: {name}, min: 0.2}}" for name in names]
    checks = ["checks: {data: off, bias.data: off, bias.intersections: off, calibration: off}"]
    model = "{kind: predictions, prediction: prediction}"
    each[-1] = each[-1].replace(names[-1], "absent 1")
    plan = write_plan(tmp_path / "audit.yaml", model, data, each, checks)
    answer = auditkit("run", plan, "--out", tmp_path / "out")
    assert answer.code == 5, answer.text
    gated = [f for f in read(tmp_path / "out")["findings"] if f["gate"]]
    assert len(gated) == groups
    values = {f["scope"]["groups"][0]: f["value"] for f in gated}
    assert values.pop("absent 1") is None
    expected = truth.right / truth.rows
    assert values == pytest.approx({name: expected[i] for i, name in enumerate(names[:-1])})
    assert (tmp_path / "out" / "report.html").stat().st_size < 500_000

"""Many columns, many classes, long texts: bounded reports, right numbers, and refusals in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditkit.data.sources.base import BATCH_BYTES
from auditkit.data.sources.opening import open_source
from benchmarks.load_cases import many_classes, many_columns, predictions, text_file, write_plan
from tests.conftest import Answer

Command = Callable[..., Answer]
ROWS = 200
#: The longest text that may show in what people read: labels are cut at 160 characters, prose at 2,000.
LONGEST = 4000
FORMATS = ("parquet", "csv", "jsonl")


def only(out: Path, metric: str) -> dict[str, Any]:
    found = json.loads((out / "audit.json").read_text())["findings"]
    (one,) = [f for f in found if f["metric"] == metric and f["check"] == "performance.summary" and not f["gate"]
              and f["scope"]["split"] == "test"]  # fmt: skip
    return one


def columns() -> dict[str, list[str]]:
    rng = np.random.default_rng(0)
    label = rng.random(ROWS) < 0.4
    prediction = np.where(rng.random(ROWS) < 0.1, ~label, label)
    return {
        "id": [f"row {i}" for i in range(ROWS)],
        "sex": ["Female", "Male"] * (ROWS // 2),
        "label": ["yes" if one else "no" for one in label],
        "prediction": ["yes" if one else "no" for one in prediction],
    }


@pytest.mark.slow
def test_hundreds_of_columns(auditkit: Command, tmp_path: Path) -> None:
    accuracy = many_columns(tmp_path, 80, 300)
    data = ["splits: {train: train.parquet, test: test.parquet}", "target: label", "positive: 1", "sensitive: [sex]"]
    plan = write_plan(tmp_path / "audit.yaml", "{kind: sklearn, path: model.skops}", data)
    assert auditkit("run", plan, "--out", tmp_path / "out").code == 0
    assert only(tmp_path / "out", "accuracy")["value"] == pytest.approx(accuracy)
    assert (tmp_path / "out" / "report.html").stat().st_size < 500_000


@pytest.mark.slow
@pytest.mark.parametrize("scores", [False, True])
def test_hundreds_of_classes(auditkit: Command, tmp_path: Path, scores: bool) -> None:
    classes, rows = 120, 3000
    accuracy = many_classes(tmp_path / "test.parquet", classes, rows, scores=scores)
    named = ", ".join(f"c{i}: s{i}" for i in range(classes))
    model = "{kind: predictions, prediction: prediction" + (f", scores: {{{named}}}}}" if scores else "}")
    plan = write_plan(
        tmp_path / "audit.yaml", model, ["splits: {test: test.parquet}", "target: label", "sensitive: [sex]"]
    )
    assert auditkit("run", plan, "--out", tmp_path / "out").code == 0
    assert only(tmp_path / "out", "accuracy")["value"] == pytest.approx(accuracy)
    assert (tmp_path / "out" / "report.html").stat().st_size < 500_000


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("column", ["sex", "label"])
def test_a_megabyte_in_a_cell_that_is_read_is_refused(
    auditkit: Command, tmp_path: Path, column: str, kind: str
) -> None:
    text = columns()
    text[column][7] = "A" * 1_000_000
    path = text_file(tmp_path / f"p.{kind}", text)
    options = ["--target", "label", "--prediction", "prediction", "--positive", "yes", "--sensitive", "sex"]
    answer = auditkit("gate", path, *options, "--max", "demographic_parity_difference=0.9", "--out", tmp_path / "out")
    assert answer.code == 4
    assert f"data row 8, column '{column}' takes 1,000,000 bytes; at most 65,536 are read" in answer.err
    assert len(answer.text) < 300


@pytest.mark.parametrize("kind", FORMATS)
def test_a_megabyte_in_a_cell_that_nobody_needs_harms_nothing(auditkit: Command, tmp_path: Path, kind: str) -> None:
    text = columns()
    text["id"][7] = "A" * 1_000_000
    path, out = text_file(tmp_path / f"p.{kind}", text), tmp_path / "out"
    options = ["--target", "label", "--prediction", "prediction", "--positive", "yes", "--sensitive", "sex"]
    answer = auditkit("gate", path, *options, "--id", "id", "--min", "accuracy=0.5", "--out", out)
    assert answer.code == 0, answer.text
    right = [a == b for a, b in zip(text["label"], text["prediction"], strict=True)]
    assert only(out, "accuracy")["value"] == pytest.approx(np.mean(right))
    assert "A" * LONGEST not in answer.text + (out / "audit.json").read_text() + (out / "report.html").read_text()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_column_name_of_five_thousand_characters(auditkit: Command, tmp_path: Path, kind: str) -> None:
    text = columns()
    name = "sex" * 1666
    text[name] = text.pop("sex")
    path, out = text_file(tmp_path / f"p.{kind}", text), tmp_path / "out"
    options = ["--target", "label", "--prediction", "prediction", "--positive", "yes", "--sensitive", name]
    answer = auditkit("gate", path, *options, "--max", "demographic_parity_difference=0.9", "--out", out)
    assert answer.code == 0, answer.text
    assert name not in answer.out + (out / "report.html").read_text()
    assert (out / "report.html").stat().st_size < 500_000
    assert (out / "audit.json").stat().st_size < 3_000_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_many_rows_with_clusters_and_weights(auditkit: Command, tmp_path: Path, kind: str) -> None:
    path, out = tmp_path / f"p.{kind}", tmp_path / "out"
    rows = 200_000 if kind == "parquet" else 100_000
    truth = predictions(path, rows, clusters=1000, weights=True)
    options = ["--target", "label", "--prediction", "prediction", "--positive", "1", "--sensitive", "sex"]
    options += ["--cluster", "person", "--weight", "weight", "--score", "score"]
    answer = auditkit("gate", path, *options, "--max", "demographic_parity_difference=0.1", "--out", out)
    assert answer.code == 0, answer.text
    assert only(out, "accuracy")["value"] == pytest.approx(truth.accuracy, abs=1e-9)
    findings = json.loads((out / "audit.json").read_text())["findings"]
    (gap,) = [f for f in findings if f["gate"]]
    assert gap["value"] == pytest.approx(truth.parity, abs=1e-9)
    assert gap["n"] == rows


def test_rows_of_long_texts_are_read_few_at_a_time(tmp_path: Path) -> None:
    """Of a free text beside the predictions a block of 262,144 rows would not fit into memory."""
    rows, long = 90, 1_000_000
    texts = [f"{i} " + "A" * long for i in range(rows)]
    path = text_file(tmp_path / "p.parquet", {"label": ["yes", "no"] * (rows // 2), "text": texts})
    sizes = [batch.rows for batch in open_source(path).batches(["label", "text"], rows=1 << 18)]
    assert sum(sizes) == rows
    assert max(sizes) * long <= BATCH_BYTES

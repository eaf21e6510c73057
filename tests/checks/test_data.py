"""`data.integrity` and `data.leakage`: planted defects and their clean twins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from auditkit.checks.data.columns import column_sums
from auditkit.checks.data.integrity import DataIntegrity
from auditkit.checks.data.leakage import DataLeakage
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from tests.evidence import Split, make_evidence, task_of
from tests.evidence_samples import sample_split

ROWS = 800


def one(found: list[Finding], metric: str, split: str = "test", feature: str | None = None) -> Finding:
    (f,) = [f for f in found if f.metric == metric and f.scope.split == split and f.scope.feature in (feature, None)]
    return f


def continuous(seed: int, rows: int = ROWS) -> Split:
    split = sample_split("binary", rows, seed)
    return replace(split, inputs=np.random.default_rng(seed + 100).normal(size=(rows, 3)))


def stacked(first: Split, second: Split) -> Split:
    """The rows of both."""

    def both(name: str) -> Any:
        return np.concatenate([getattr(first, name), getattr(second, name)])

    groups = {name: [*first.groups[name], *second.groups[name]] for name in first.groups}
    return Split(both("target"), both("prediction"), both("scores"), groups, both("inputs"))


def audit(test: Split, train: Split | None = None) -> Evidence:
    return make_evidence(task_of("binary"), {"train": train or continuous(1), "test": test})


def test_missing_infinite_and_constant_columns_and_the_clean_twin() -> None:
    clean = continuous(2)
    assert {f.status for f in DataIntegrity().run(audit(clean))} == {Status.INFO}
    inputs = np.array(clean.inputs)
    inputs[:200, 0], inputs[:3, 1], inputs[:, 2] = np.nan, np.inf, 7.0
    found = DataIntegrity().run(audit(replace(clean, inputs=inputs)))
    missing = one(found, "missing_share", feature="a")
    assert missing.value == 200 / ROWS
    assert missing.interval is not None
    assert one(found, "infinite_values", feature="b").value == 3.0
    constant = one(found, "constant_columns")
    assert (constant.value, constant.sampled) == (1.0, False)
    assert "'c'" in constant.explanation
    assert {f.status for f in (missing, constant, one(found, "infinite_values", feature="b"))} == {Status.WARN}
    assert one(found, "missing_share", feature="b").status is Status.INFO
    assert one(found, "missing_share", "train", "a").status is Status.INFO


def test_sums_of_parts_equal_pandas() -> None:
    test = continuous(2)
    (table,) = one(DataIntegrity().run(audit(test)), "constant_columns").tables
    frame = pd.DataFrame(test.inputs)
    for row, column in zip(table.rows, frame, strict=True):
        assert row[5] == pytest.approx(frame[column].mean())
        assert row[6] == pytest.approx(frame[column].std())


def test_copies_are_counted_as_pandas_counts_them_and_warned_of() -> None:
    once = continuous(2)
    test = stacked(once, once.where(np.arange(200)))
    frame = pd.DataFrame(test.inputs).assign(target=test.target)
    copies = one(DataIntegrity().run(audit(test)), "duplicate_share")
    assert copies.value == pytest.approx(frame.duplicated().mean())
    assert copies.status is Status.WARN
    assert copies.remedy


def low_cardinality(seed: int, rows: int = ROWS) -> Split:
    """Inputs of eight values in all, labels that they do not decide: rows are alike by chance."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(0, 2, (rows, 3)).astype(np.float64)
    chance = 0.3 + 0.1 * inputs.sum(axis=1)
    target = (rng.random(rows) < chance).astype(np.int64)
    scores = np.column_stack([1 - chance, chance])
    return Split(target, (chance > 0.5).astype(np.int64), scores, {"sex": ["a"] * rows}, inputs)


def test_rows_that_are_alike_by_chance_are_no_copies_and_no_leak() -> None:
    evidence = audit(low_cardinality(2), low_cardinality(1))
    found = DataIntegrity().run(evidence)
    assert one(found, "duplicate_share").value == pytest.approx(1 - 16 / ROWS)
    assert one(found, "duplicate_share").status is Status.INFO
    overlap = one(DataLeakage().run(evidence), "overlap_share")
    assert overlap.value == 1.0
    assert overlap.status is Status.INFO
    assert "by chance" in overlap.explanation


def test_conflicting_labels_bound_what_a_model_can_reach() -> None:
    once = continuous(2)
    twin = once.where(np.arange(100))
    test = stacked(once, replace(twin, target=1 - twin.target))
    found = one(DataIntegrity().run(audit(test)), "conflicting_label_share")
    assert found.value == pytest.approx(200 / 900)
    assert found.status is Status.WARN
    # One of each pair of contradicting rows must be wrong: 100 of 900.
    assert "88.9%" in found.explanation
    assert one(DataIntegrity().run(audit(once)), "conflicting_label_share").value == 0.0


def test_missing_labels_are_an_estimate_with_an_interval() -> None:
    clean = continuous(2)
    few = replace(clean, target=np.where(np.arange(ROWS) < 160, -1, clean.target))
    share = one(DataIntegrity().run(audit(few)), "unlabelled_share")
    assert share.value == pytest.approx(0.2)
    assert share.interval is not None
    assert share.status is Status.WARN
    assert one(DataIntegrity().run(audit(clean)), "unlabelled_share").status is Status.INFO


def test_a_planted_leak_is_found_and_its_clean_twin_is_not() -> None:
    train, clean = continuous(1), continuous(2)
    known = train.where(np.arange(200))
    remembered = replace(known, prediction=known.target)
    leaked = stacked(clean, remembered)
    found = DataLeakage().run(audit(leaked, train))
    for metric in ("overlap_share", "input_overlap_share"):
        overlap = one(found, metric)
        assert overlap.value == pytest.approx(200 / 1000)
        assert overlap.interval is not None
        assert overlap.status is Status.WARN
        assert overlap.scope.reference == "train"
        assert "200 rows of test" in (overlap.affected or "")
    without = one(found, "accuracy_without_overlap")
    assert without.value == pytest.approx((clean.target == clean.prediction).mean())
    assert without.n == ROWS
    twin = DataLeakage().run(audit(clean, train))
    assert one(twin, "overlap_share").value == 0.0
    assert {f.status for f in twin} == {Status.INFO}


def test_a_leak_into_low_cardinality_data_still_stands_out() -> None:
    """Chance repeats within train do not excuse a split that repeats train far more often."""
    rng = np.random.default_rng(5)

    def half(seed: int) -> Split:
        split = low_cardinality(seed)
        return replace(
            split, inputs=split.inputs + np.where(rng.random((ROWS, 1)) < 0.8, rng.normal(size=(ROWS, 1)), 0)
        )

    train, clean = half(1), half(2)
    assert one(DataLeakage().run(audit(clean, train)), "overlap_share").status is Status.INFO
    leaked = stacked(clean, train.where(np.arange(300)))
    overlap = one(DataLeakage().run(audit(leaked, train)), "overlap_share")
    assert overlap.status is Status.WARN
    # Beyond this tolerance lies the overlap, but not its excess over the twins of train.
    assert overlap.interval is not None
    lenient = DataLeakage(tolerance=overlap.interval[0] - 0.01)
    assert one(lenient.run(audit(leaked, train)), "overlap_share").status is Status.INFO


def test_copies_made_before_the_split_are_a_leak() -> None:
    """Within train they look like chance, but rows that are alike by chance do not always bear the same label."""
    whole = continuous(3, 1200)
    doubled = stacked(whole, whole.where(np.arange(600)))
    order = np.random.default_rng(0).permutation(1800)
    train, test = doubled.where(order[:900]), doubled.where(order[900:])
    assert one(DataLeakage().run(audit(test, train)), "overlap_share").status is Status.WARN


def test_same_inputs_with_another_label_overlap_by_inputs_only() -> None:
    train, clean = continuous(1), continuous(2)
    twin = train.where(np.arange(200))
    found = DataLeakage().run(audit(stacked(clean, replace(twin, target=1 - twin.target)), train))
    assert one(found, "overlap_share").value == 0.0
    assert one(found, "input_overlap_share").value == pytest.approx(0.2)
    assert one(found, "input_overlap_share").status is Status.WARN


def test_a_cluster_on_both_sides_is_warned_of() -> None:
    train, clean = continuous(1), continuous(2)
    people = np.arange(ROWS, dtype=np.int64)
    apart = audit(replace(clean, cluster=people + ROWS), replace(train, cluster=people))
    assert one(DataLeakage().run(apart), "cluster_overlap_share").status is Status.INFO
    shared = audit(replace(clean, cluster=people + ROWS // 2), replace(train, cluster=people))
    found = one(DataLeakage().run(shared), "cluster_overlap_share")
    assert found.value == pytest.approx(0.5)
    assert found.status is Status.WARN


def test_without_train_leakage_is_skipped() -> None:
    (finding,) = DataLeakage().run(make_evidence(task_of("binary"), {"test": continuous(1)}))
    assert finding.status is Status.SKIPPED
    assert "data.splits.train" in (finding.reason or "")


def test_options_set_the_tolerances() -> None:
    train, clean = continuous(1), continuous(2)
    evidence = audit(stacked(clean, train.where(np.arange(200))), train)
    assert one(DataLeakage(tolerance=0.15).run(evidence), "overlap_share").status is Status.WARN
    assert one(DataLeakage(tolerance=0.25).run(evidence), "overlap_share").status is Status.INFO
    with pytest.raises(ValueError, match="less than or equal to 1"):
        DataLeakage(tolerance=1.5)


def test_sums_of_columns_beyond_all_floats_leave_no_mean_and_no_deviation() -> None:
    def column(**sums: float) -> tuple[object, ...]:
        record = {"split": "test", "column": "a", "kind": "numeric", "rows": 4, "missing": 0, "infinite": 0}
        parts = [{**record, "part": str(i), "low": 0.0, "high": 1.0, **sums} for i in range(2)]
        return column_sums(pa.Table.from_pylist(parts))[0].cells()[-2:]

    assert column(total=4e200, squares=float("inf")) == (1e200, None)
    assert column(total=1.7e308, squares=float("inf")) == (None, None)
    assert column(total=float("inf"), squares=float("inf")) == (None, None)
    assert column(total=4.0, squares=8.0) == (1.0, pytest.approx(np.sqrt(8 / 7)))

"""Rows that are alike, stored once: nothing is lost while they are few, and little, as stated, where they are many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import brier_score_loss, log_loss, mean_absolute_error, r2_score, roc_auc_score

from auditkit.data.compact.cells import BLOCK_ROWS
from auditkit.data.compact.coarse import rounded, rounded_scores
from auditkit.data.compact.fingerprints import Fingerprints
from auditkit.data.compact.rounding import Roles
from auditkit.data.compact.source import CompactSource
from auditkit.data.sources.memory import MemorySource
from auditkit.data.sources.opening import open_source

ROLES = Roles("y", "p", ("s",))


def frame(rows: int = 5000, seed: int = 0, digits: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    s = np.clip(0.5 * y + rng.normal(0.25, 0.2, rows), 0, 1).round(digits)
    group = rng.choice(np.array(["a", "b", None], dtype=object), rows)
    return pd.DataFrame({"y": y, "p": (s >= 0.5).astype(int), "s": s, "g": group, "w": rng.choice([0.5, 1, 2], rows)})


def table(data: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(data, preserve_index=False)


def compact(data: pa.Table, roles: Roles = ROLES, columns: Sequence[str] = (), most: int = 1 << 17) -> CompactSource:
    return CompactSource(MemorySource("test", data), columns or data.column_names, roles, most=most)


def stored(source: CompactSource, columns: Sequence[str]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({name: batch.columns[name].to_pylist() for name in columns} | {"count": batch.count})
        for batch in source.batches(columns)
    ]
    return pd.concat(parts, ignore_index=True)


def test_counts_are_those_of_the_distinct_rows() -> None:
    data = frame()
    found = stored(compact(table(data)), list(data.columns))
    expected = data.groupby(list(data.columns), dropna=False).size().rename("count").reset_index()
    order = list(data.columns)
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True), check_dtype=False
    )


@pytest.mark.parametrize("most", [1 << 17, 200])
def test_the_order_of_the_rows_does_not_matter(most: int) -> None:
    data = frame(digits=9)
    order = ["y", "p", "s", "g", "w", "count"]
    first = stored(compact(table(data), most=most), order[:-1]).sort_values(order, ignore_index=True)
    shuffled = data.sample(frac=1, random_state=1)
    second = stored(compact(table(shuffled), most=most), order[:-1]).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(first, second)


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    data = frame()
    data.to_csv(tmp_path / "d.csv", index=False)
    data.to_parquet(tmp_path / "d.parquet")
    data.to_json(tmp_path / "d.jsonl", orient="records", lines=True)
    order = ["y", "p", "s", "g"]
    found = []
    for name in ("d.csv", "d.parquet", "d.jsonl"):
        source = CompactSource(open_source(tmp_path / name), order, ROLES)
        cells = stored(source, order)
        numbers = {column: cells[column].astype(float) for column in ("y", "p", "s")}
        found.append(cells.assign(**numbers).sort_values([*order, "count"], ignore_index=True))
        assert source.total == len(data)
    pd.testing.assert_frame_equal(found[0], found[1], check_dtype=False)
    pd.testing.assert_frame_equal(found[0], found[2], check_dtype=False)


def test_rounding_keeps_its_promise() -> None:
    values = np.concatenate([np.random.default_rng(0).lognormal(0, 20, 10_000), -np.arange(5000.0)])
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.abs(rounded(values, 10) / values - 1)
    assert np.nanmax(error) <= 2.0**-11
    whole = np.arange(-1023.0, 1024.0)
    assert np.array_equal(rounded(whole, 10), whole)
    special = np.array([0.0, -0.0, np.inf, -np.inf, 0.5, 1.0])
    assert np.array_equal(rounded(special, 4), special)
    assert np.isnan(rounded(np.array([np.nan]), 4)).all()


def test_scores_keep_their_losses_and_their_side() -> None:
    rng = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-rng.normal(0, 8, 100_000)))
    near = rounded_scores(p, 10)
    for exact, coarse in ((p, near), (1 - p, 1 - near)):
        assert np.max(np.abs(np.log(np.maximum(coarse, 1e-300)) - np.log(np.maximum(exact, 1e-300)))) <= 2.0**-11 * 1.01
    assert np.max(np.abs((1 - p) ** 2 - (1 - near) ** 2)) <= 2.0**-12
    for threshold in (0.3, 0.5, 0.77777):
        close = threshold + np.concatenate([-(10.0 ** -np.arange(3, 15)), [0.0], 10.0 ** -np.arange(3, 15)])
        assert np.array_equal(rounded_scores(close, 4, threshold) >= threshold, close >= threshold)
    outside = np.array([1.0000001, -0.0000001, 0.0, 1.0])
    found = rounded_scores(outside, 4)
    assert found[0] > 1
    assert found[1] < 0
    assert list(found[2:]) == [0.0, 1.0]


def test_measures_move_by_less_than_the_rounding() -> None:
    data = frame(rows=40_000, digits=15)
    source = compact(table(data), most=3000)
    cells = stored(source, ["y", "p", "s"])
    assert source.note is not None
    assert "kept to" in source.note
    assert source.bits is not None
    assert len(cells) < 20_000
    most = 2.0 ** -(source.bits + 1)
    y, s, w = cells["y"], cells["s"], cells["count"]
    assert brier_score_loss(y, s, sample_weight=w) == pytest.approx(
        brier_score_loss(data["y"], data["s"]), abs=most / 2
    )
    assert log_loss(y, s, sample_weight=w) == pytest.approx(log_loss(data["y"], data["s"]), abs=most)
    assert roc_auc_score(y, s, sample_weight=w) == pytest.approx(roc_auc_score(data["y"], data["s"]), abs=most)
    assert np.average(cells["y"] == cells["p"], weights=w) == (data["y"] == data["p"]).mean()


def test_small_errors_of_large_numbers_keep_their_digits() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(1e6, 10, 20_000)
    data = pd.DataFrame({"y": target, "p": target + rng.normal(0, 0.01, 20_000)})
    cells = stored(compact(table(data), Roles("y", "p"), most=4200), ["y", "p"])
    error, weight = mean_absolute_error(data["y"], data["p"]), cells["count"]
    assert mean_absolute_error(cells["y"], cells["p"], sample_weight=weight) == pytest.approx(error, rel=1e-3)
    wide = pd.DataFrame({"y": 10 * rng.normal(size=20_000), "p": 0.0})
    wide["p"] = wide["y"] + rng.normal(size=20_000)
    cells = stored(compact(table(wide), Roles("y", "p"), most=4200), ["y", "p"])
    exact = r2_score(wide["y"], wide["p"])
    assert r2_score(cells["y"], cells["p"], sample_weight=cells["count"]) == pytest.approx(exact, abs=1e-4)


def test_clusters_are_put_together_without_being_split() -> None:
    rows = np.repeat(np.arange(30_000), 2)
    data = pd.DataFrame({"y": rows % 2, "p": (rows // 3) % 2, "c": [f"person {k}" for k in rows]})
    source = compact(table(data), Roles("y", "p", cluster="c"), most=5000)
    cells = stored(source, ["y", "p", "c"])
    assert cells["c"].nunique() <= 4096
    assert cells["count"].sum() == len(data)
    assert (cells["count"] % 2 == 0).all()  # both rows of a person are alike here, and went to one place
    assert source.note is not None
    assert "put together at random" in source.note


@pytest.mark.slow
@pytest.mark.parametrize("bad", ["abc", "12,5"])
def test_a_text_among_many_scores_stays_one(bad: str, tmp_path: Path) -> None:
    data = frame(rows=BLOCK_ROWS + 5000, digits=15)[["y", "p", "s"]].astype({"s": object})
    data.loc[len(data) - 10, "s"] = bad  # after the block that shows that scores must be rounded
    data.to_csv(tmp_path / "d.csv", index=False)
    cells = stored(CompactSource(open_source(tmp_path / "d.csv"), ["y", "p", "s"], ROLES, most=5000), ["s"])
    assert bad in set(cells["s"])


def test_whole_numbers_that_may_name_rows_are_not_rounded() -> None:
    data = pd.DataFrame({"y": np.arange(20_000) % 2, "p": 0, "id": np.arange(20_000), "x": np.linspace(0, 1, 20_000)})
    roles = Roles("y", "p", groups=("id", "x"))
    cells = stored(compact(table(data), roles, most=4500), ["id", "x"])
    assert cells["id"].nunique() == 20_000
    assert cells["x"].nunique() < 20_000


@pytest.mark.parametrize("most", [1 << 17, 500])
def test_fingerprints_hold_all_copies_of_what_they_hold(most: int) -> None:
    rng = np.random.default_rng(0)
    inputs = np.concatenate([rng.normal(size=4000), np.repeat(rng.normal(size=500), 4)])
    target = pa.array(np.concatenate([np.zeros(4000), np.tile([0.0, 0.0, 1.0, 1.0], 500)]))
    prints = Fingerprints(most)
    for part in np.array_split(rng.permutation(6000), 7):
        prints.add({"x": pa.array(inputs[part])}, target.take(pa.array(part)), len(part))
    found = prints.table().to_pandas()
    by_input = found.groupby("input_hash")["count"].sum()
    assert set(by_input) == {1, 4}
    assert (by_input == 4).mean() == pytest.approx(500 / 4500, abs=0.05)
    if most == 1 << 17:
        assert found["count"].sum() == 6000
        assert len(found) == 4000 + 2 * 500


def test_types_that_python_takes_for_the_same_stay_apart(tmp_path: Path) -> None:
    build: list[Callable[[], pa.Array]] = [
        lambda: pa.array([True, False, None]),
        lambda: pa.array([1, 2, None], pa.int8()),
        lambda: pa.array([1.5, float("nan"), None]),
        lambda: pa.array(["1", "", None]),
        lambda: pa.array(["x", "y", "x"]).dictionary_encode(),
        lambda: pa.nulls(3),
    ]
    data = pa.table({f"c{k}": column() for k, column in enumerate(build)})
    source = compact(data, replace(ROLES, target="c0", prediction="c1", scores=()))
    (batch,) = source.batches(data.column_names)
    found = list(zip(*(batch.columns[name].to_pylist() for name in data.column_names), strict=True))
    assert found == [
        (None, None, None, None, "x", None),
        (False, 2, None, "", "y", None),
        (True, 1, 1.5, "1", "x", None),
    ]


def test_stored_rows_are_in_the_order_of_their_values() -> None:
    data = frame(digits=2)
    cells = stored(compact(table(data)), list(data.columns))
    by_value = cells.sort_values(list(data.columns), na_position="first", ignore_index=True)
    pd.testing.assert_frame_equal(cells, by_value)


def test_rows_without_a_cluster_are_clusters_of_their_own() -> None:
    data = pd.DataFrame({"y": [1, 1, 1, 0], "p": 1, "c": [None, None, 3.0, np.nan]})
    cells = stored(compact(table(data), Roles("y", "p", cluster="c")), ["y", "c"])
    assert len(cells) == 4
    assert cells["c"].nunique() == 4
    assert "3" in set(cells["c"])


def test_weights_keep_their_digits_when_scores_lose_more() -> None:
    data = frame(rows=60_000, digits=15)
    data["w"] = np.random.default_rng(1).lognormal(size=len(data))
    source = compact(table(data), Roles("y", "p", ("s",), weight="w"), ["y", "p", "s", "w"], most=5000)
    cells = stored(source, ["s", "w"])
    assert source.bits is not None
    assert source.bits < 10
    assert source.note is not None
    assert "'w' kept to 11 binary digits" in source.note
    assert cells["w"] @ cells["count"] == pytest.approx(data["w"].sum(), rel=1e-5)

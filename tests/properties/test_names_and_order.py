"""What a row, a group, a column or a label is called, and where it stands, changes no value, interval or verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather

from auditkit.core.progress import SilentProgress
from auditkit.pipeline.gate_file import gate_file
from tests.properties import examples
from tests.properties.tables import Asked, Numbers, asked, assert_same, numbers


@given(asked(), st.integers(0, 2**16))
@examples(4)
def test_the_order_of_the_rows(table: Asked, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(table.frame))
    shuffled = table.of(table.frame.iloc[order].reset_index(drop=True))
    assert_same(numbers(shuffled.audit()), numbers(table.audit()))


@given(asked(), st.permutations(["f", "m", "a", "b", "d"]), st.sampled_from(["{}", "Ω{}", "{} x", "zz{}\u0301"]))
@examples(4)
def test_the_names_of_groups(table: Asked, order: list[str], form: str) -> None:
    """Every order of the new names among the old ones' groups, plain and strange."""
    names = dict(zip("fmabd", (form.format(name) for name in order), strict=True))
    frame = table.frame.assign(sex=table.frame.sex.replace(names), race=table.frame.race.replace(names))
    back = {new: old for old, new in names.items()}
    assert_same(numbers(table.of(frame).audit(), back), numbers(table.audit()))


@given(asked(), st.permutations(["y", "p", "s", "sex", "race", "w", "c"]))
@examples(4)
def test_the_names_of_columns(table: Asked, order: list[str]) -> None:
    """Columns take one another's names."""
    names = dict(zip(["y", "p", "s", "sex", "race", "w", "c"], order, strict=True))
    request = table.request
    bounds = tuple(
        replace(b, by=None if b.by is None else "×".join(names[c] for c in b.by.split("×"))) for b in request.bounds
    )
    renamed = {key: names[value] for key in ("target", "prediction", "score", "weight", "cluster")
               if (value := getattr(request, key)) is not None}  # fmt: skip
    sensitive = tuple(names[column] for column in request.sensitive)
    other = Asked(table.frame.rename(columns=names), replace(request, bounds=bounds, sensitive=sensitive, **renamed))
    back = {new: old for old, new in names.items()}
    assert_same(numbers(other.audit(), back), numbers(table.audit()))


@given(asked(("binary",)), st.sampled_from([("u", "v"), ("v", "u"), ("0", "1"), ("1", "0"), ("no ", "no"), ("ſ", "S")]))
@examples(4)
def test_the_names_of_labels(table: Asked, labels: tuple[str, str]) -> None:
    names = dict(zip(("no", "yes"), labels, strict=True))
    frame = table.frame.assign(y=table.frame.y.replace(names), p=table.frame.p.replace(names))
    other = table.of(frame).asking(positive=names["yes"])
    back = {new: old for old, new in names.items()}
    assert_same(numbers(other.audit(), back), numbers(table.audit()))


@given(asked(), st.sampled_from([2.0, 0.25, 1e-3, 7.0, 1e6]))
@examples(4)
def test_the_unit_of_weights(table: Asked, factor: float) -> None:
    weighted = table.asking(weight="w")
    other = weighted.of(weighted.frame.assign(w=weighted.frame.w * factor))
    assert_same(numbers(other.audit()), numbers(weighted.audit()))


@given(asked(sizes=(160,)))
@examples(4)
def test_every_row_twice_with_half_the_weight(table: Asked) -> None:
    """A copy in the cluster of its original is no new evidence: no value and no interval moves, but the rows do."""
    frame = table.frame.assign(c=np.arange(len(table.frame)), w=1.0)
    bounds = tuple(bound for bound in table.request.bounds if "race" not in (bound.by or ""))
    once = table.of(frame).asking(weight="w", cluster="c", sensitive=("sex",), bounds=bounds)
    twice = once.of(pd.concat([frame.assign(w=frame.w / 2)] * 2, ignore_index=True))
    assert_same(*(_without_debiased(numbers(table.audit())) for table in (twice, once)), rows=False)


def _without_debiased(found: dict[Any, Numbers]) -> dict[Any, Numbers]:
    """What is subtracted from a calibration error for its bias follows the number of rows."""
    return {key: value for key, value in found.items() if "expected_calibration_error" not in key[1]}


@given(asked(), st.sampled_from([np.nan, "x", 3.5]))
@examples(3)
def test_a_column_that_nothing_asks_about(table: Asked, value: object) -> None:
    assert_same(numbers(table.of(table.frame.assign(other=value)).audit()), numbers(table.audit()))


@pytest.mark.slow
@given(table=asked(), group=st.sampled_from([1, 7, 50, 1000]), packing=st.sampled_from(["none", "zstd"]))
@examples(4)
def test_the_layout_of_the_file(tmp_path: Path, table: Asked, group: int, packing: str) -> None:
    """CSV, JSON Lines, Arrow, and Parquet cut anywhere: the same audit, to the last bit."""
    content = pa.Table.from_pandas(table.frame, preserve_index=False)
    pq.write_table(content, tmp_path / "p.parquet", row_group_size=group, compression=packing)
    feather.write_feather(content, tmp_path / "p.arrow", chunksize=group, compression="uncompressed")
    table.frame.to_csv(tmp_path / "p.csv", index=False)
    lines = (json.dumps(record) for record in content.to_pylist())
    (tmp_path / "p.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    found = set()
    for path in sorted(tmp_path.iterdir()):
        progress = SilentProgress()
        audit, _ = gate_file(path, table.request, out=None, formats=(), allow_inconclusive=False, progress=progress)
        found.add(json.dumps([finding.model_dump(mode="json") for finding in audit.findings]))
    assert len(found) == 1

"""Data sets: every format reads alike, shards in any order read what one pass reads, and memory stays flat."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit.core.errors import InputRefusedError
from auditkit.core.types import InputKind
from auditkit.data.dataset import Dataset
from auditkit.data.spec import DataSpec
from tests.data.files import SUFFIXES, assert_same, dataset, people, save

ROLES = {
    "target": "y",
    "sensitive": ("sex", "zone"),
    "weight": "w",
    "cluster": "person",
    "id": "name",
    "inputs": {"age": None, "gain": None, "city": None, "zone": "categorical"},
}
ROWS = 10_000


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return people(ROWS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> Path:
    folder = tmp_path_factory.mktemp("people")
    for suffix in SUFFIXES:
        save(frame, folder / f"d.{suffix}")
    return folder


def test_chunks_hold_what_the_frame_holds(folder: Path, frame: pd.DataFrame) -> None:
    data = dataset(folder / "d.parquet", **ROLES)
    chunks = list(data.stream("test"))
    assert [len(chunk) for chunk in chunks] == [8192, ROWS - 8192]
    assert [(item.name, item.kind) for item in data.inputs] == [
        ("age", InputKind.NUMERIC),
        ("gain", InputKind.NUMERIC),
        ("city", InputKind.CATEGORICAL),
        ("zone", InputKind.CATEGORICAL),
    ]
    np.testing.assert_array_equal(np.concatenate([c.row for c in chunks]), np.arange(ROWS))
    np.testing.assert_array_equal(np.concatenate([c.inputs["age"] for c in chunks]), frame["age"].to_numpy())
    np.testing.assert_array_equal(np.concatenate([c.weight for c in chunks]), frame["w"].to_numpy())
    city = [None if pd.isna(value) else value for value in frame["city"]]
    assert np.concatenate([c.inputs["city"] for c in chunks]).tolist() == city
    assert np.concatenate([c.inputs["zone"] for c in chunks]).tolist() == [str(z) for z in frame["zone"]]
    sex = [None if pd.isna(value) else value for value in frame["sex"]]
    assert np.concatenate([c.groups["sex"] for c in chunks]).tolist() == sex
    assert pa.concat_arrays([c.target for c in chunks]).to_pylist() == frame["y"].astype(float).tolist()
    assert all(c.target.type == pa.float64() for c in chunks if c.target is not None)
    cluster = np.concatenate([c.cluster for c in chunks])
    assert len(np.unique(cluster)) == frame["person"].nunique()
    assert pd.DataFrame({"c": cluster, "p": frame["person"]}).groupby("p")["c"].nunique().max() == 1


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_every_format_reads_alike(folder: Path, suffix: str) -> None:
    expected = dataset(folder / "d.parquet", **ROLES)
    found = dataset(folder / f"d.{suffix}", **ROLES)
    assert found.inputs == expected.inputs
    assert found.survey == expected.survey
    assert_same(list(found.stream("test")), list(expected.stream("test")))


def test_frames_read_like_files(folder: Path, frame: pd.DataFrame) -> None:
    spec = DataSpec.model_validate({"splits": {"test": "frame"}, **ROLES})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    found = Dataset.open(spec, frames={"test": table})
    expected = dataset(folder / "d.parquet", **ROLES)
    assert_same(list(found.stream("test")), list(expected.stream("test")))
    chunked = pa.concat_tables([table.slice(0, 4321), table.slice(4321)])
    assert Dataset.open(spec, frames={"test": chunked}).digests == found.digests
    changed = table.set_column(0, "age", pa.array(frame["age"].fillna(0.5)))
    assert Dataset.open(spec, frames={"test": changed}).digests != found.digests


def test_type_and_order_of_columns_do_not_change_hashes(tmp_path: Path, frame: pd.DataFrame) -> None:
    few = frame[["age", "city", "zone", "y"]].head(500)
    other = few[["y", "zone", "city", "age"]].astype({"zone": "float32", "y": "float64", "city": "category"})
    plain = dataset(save(few, tmp_path / "a.parquet"), target="y")
    moved = dataset(save(other, tmp_path / "b.parquet"), target="y")
    (a,), (b,) = plain.stream("test"), moved.stream("test")
    np.testing.assert_array_equal(a.input_hash, b.input_hash)
    np.testing.assert_array_equal(a.row_hash, b.row_hash)


def test_hashes_tell_rows_apart(folder: Path, frame: pd.DataFrame) -> None:
    data = dataset(folder / "d.csv", **ROLES)
    chunks = list(data.stream("test"))
    rows = frame.assign(zone=frame["zone"].astype(str))
    for name, columns in (("input_hash", list(ROLES["inputs"])), ("row_hash", [*ROLES["inputs"], "y"])):
        hashes = np.concatenate([getattr(chunk, name) for chunk in chunks])
        number = rows.groupby(columns, dropna=False).ngroup()
        assert len(np.unique(hashes)) == number.nunique()
        assert pd.DataFrame({"h": hashes, "n": number}).groupby("n")["h"].nunique().max() == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_shards_in_any_order_equal_one_pass(folder: Path, suffix: str) -> None:
    data = dataset(folder / f"d.{suffix}", **ROLES)
    shards = data.shards("test", 1234)
    assert [(s.start, s.stop) for s in shards] == [(i, min(i + 1234, ROWS)) for i in range(0, ROWS, 1234)]
    once = list(data.stream("test", shards))
    assert_same([data.read(shard) for shard in shards], once)
    order = [7, 2, 3, 0, 8, 2]
    assert_same(list(data.stream("test", [shards[i] for i in order])), [once[i] for i in order])


@given(st.integers(1, 700), st.integers(1, 250), st.integers(1, 260), st.none() | st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_any_cut_covers_every_row_once(rows: int, group: int, shard: int, limit: int | None) -> None:
    table = pa.table({"x": np.arange(rows), "y": np.arange(rows) % 2})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=group)
    read = pq.read_table(pa.BufferReader(sink.getvalue()))
    spec = DataSpec.model_validate({"splits": {"test": "-"}, "target": "y"})
    data = Dataset.open(spec, frames={"test": read}, max_rows=limit)
    shards = data.shards("test", shard)
    assert shards[0].start == 0
    assert shards[-1].stop == rows
    assert all(a.stop == b.start for a, b in itertools.pairwise(shards))
    chunks = list(data.stream("test", shards))
    seen = np.concatenate([chunk.row for chunk in chunks])
    assert len(seen) == data.rows["test"] == min(rows, limit or rows)
    assert np.all(np.diff(seen) > 0)
    np.testing.assert_array_equal(np.concatenate([chunk.inputs["x"] for chunk in chunks]), seen)
    assert all(len(chunk) == shard for chunk in chunks[:-1])


def test_a_sample_is_the_same_rows_whatever_the_format(folder: Path) -> None:
    options = {"max_rows": 777, "seed": 3}
    expected = dataset(folder / "d.parquet", options=options, **ROLES)
    chunks = list(expected.stream("test", expected.shards("test", 100)))
    full = {
        int(r): h
        for c in dataset(folder / "d.parquet", **ROLES).stream("test")
        for r, h in zip(c.row, c.row_hash, strict=True)
    }
    for chunk in chunks:
        assert [full[int(row)] for row in chunk.row] == list(chunk.row_hash)
    for suffix in SUFFIXES[1:]:
        found = dataset(folder / f"d.{suffix}", options=options, **ROLES)
        assert found.rows == {"test": 777}
        assert found.survey.rows == {"test": ROWS}
        assert_same(list(found.stream("test", found.shards("test", 100))), chunks)
    assert expected.sampling == {"test": "777 of 10000 rows, seed 3"}
    assert any("random sample of 777 of 10,000 rows" in note for note in expected.notes)


def test_shard_digests_depend_on_content_range_and_sample(folder: Path, tmp_path: Path) -> None:
    plain = dataset(folder / "d.parquet", **ROLES).shards("test")
    assert plain == dataset(folder / "d.parquet", **ROLES).shards("test")
    others = [
        dataset(folder / "d.csv", **ROLES).shards("test")[0],
        dataset(folder / "d.parquet", options={"max_rows": 9000}, **ROLES).shards("test")[0],
        dataset(folder / "d.parquet", options={"max_rows": 9000, "seed": 1}, **ROLES).shards("test")[0],
        dataset(folder / "d.parquet", **ROLES).shards("test", 4096)[0],
        plain[1],
        plain[0],
    ]
    assert len({shard.digest for shard in others}) == len(others)


def test_predictions_alone(tmp_path: Path) -> None:
    """A predictions file: no inputs are read, so there is nothing to hash; its columns come as `extra`."""
    path = tmp_path / "p.csv"
    path.write_text("y,label,score,note\nyes,no,0.25,a\nno,,0.5,b\n")
    data = dataset(path, target="y", options={"extra": ["label", "score"], "read_inputs": False})
    (chunk,) = data.stream("test")
    assert data.inputs == ()
    assert chunk.input_hash is None
    assert chunk.row_hash is None
    assert chunk.extra["label"].to_pylist() == ["no", None]
    assert chunk.extra["score"].equals(pa.array([0.25, 0.5]))
    assert chunk.target is not None
    assert chunk.target.to_pylist() == ["yes", "no"]


def test_a_number_that_is_none_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("age,y\n31,0\nN/A,1\nold,1\n")
    assert dataset(path, target="y").inputs[0].kind is InputKind.CATEGORICAL
    with pytest.raises(InputRefusedError, match=r"d.csv: data row 3, column 'age' holds 'old', which is no number"):
        dataset(path, target="y", inputs={"age": "numeric"})


def test_a_typed_split_decides_for_a_text_file(tmp_path: Path) -> None:
    save(pd.DataFrame({"age": [1, 2], "code": ["1", "2"], "y": [0, 1]}), tmp_path / "train.parquet")
    (tmp_path / "test.csv").write_text("age,code,y\n7,1.0,0\n,2,1\n")
    spec = DataSpec.model_validate(
        {"splits": {"train": tmp_path / "train.parquet", "test": tmp_path / "test.csv"}, "target": "y"}
    )
    data = Dataset.open(spec)
    assert [item.kind for item in data.inputs] == [InputKind.NUMERIC, InputKind.CATEGORICAL]
    (chunk,) = data.stream("test")
    np.testing.assert_array_equal(chunk.inputs["age"], [7.0, np.nan])
    (tmp_path / "test.csv").write_text("age,code,y\nseven,1,0\n")
    with pytest.raises(InputRefusedError, match=r"test.csv: data row 1, column 'age' holds 'seven'"):
        list(Dataset.open(spec).stream("test"))


MEMORY = """
import re, sys
from auditkit.data.dataset import Dataset
from auditkit.data.spec import DataSpec
from pathlib import Path

def peak():
    # Not ru_maxrss: that of a child starts at its parent's.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
data = Dataset.open(DataSpec(splits={"test": Path(sys.argv[1])}, target="y", sensitive=("g",)))
rows = sum(len(chunk) for chunk in data.stream("test"))
print(rows, before, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the memory from /proc")
@pytest.mark.slow
def test_a_million_rows_stream_in_flat_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = 1_000_000
    columns = {f"x{i}": rng.normal(size=rows) for i in range(12)}
    group = pa.array(np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, rows)])
    table = pa.table({**columns, "g": group, "city": group, "y": rng.integers(0, 2, rows)})
    peaks = []
    for part in (table.slice(0, rows // 4), table):
        pq.write_table(part, tmp_path / "d.parquet", row_group_size=1 << 20)
        script = [sys.executable, "-c", MEMORY, str(tmp_path / "d.parquet")]
        read, _, grown = map(int, subprocess.run(script, capture_output=True, text=True, check=True).stdout.split())
        assert read == part.num_rows
        peaks.append(grown / 1024)
    assert peaks[1] - peaks[0] < 32, f"peaks {peaks} MiB; a whole split is {table.nbytes >> 20} MiB"

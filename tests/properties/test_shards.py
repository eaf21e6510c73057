"""However the work is cut, ordered and interrupted: the same evidence, to the bit, and the same findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.core.audit import Audit
from auditkit.core.files import sha256_file
from auditkit.core.progress import SilentProgress
from auditkit.pipeline import audit as stages
from auditkit.pipeline.gate_file import prepare_gate
from auditkit.pipeline.prepared import Clock
from auditkit.probes.store import DirectoryStore, MemoryStore
from tests.properties import examples
from tests.properties.tables import Asked, asked

SHARD = 16


class KilledError(BaseException):
    """The process ends here."""


class FragileStore(MemoryStore):
    """Ends the process at the n-th write from now, or before a table is finished; what was written stays."""

    def __init__(self, *, finishes: bool = True) -> None:
        super().__init__()
        self.left: int | None = None
        self.finishes = finishes

    def write_part(self, table: str, key: str, part: str, rows: pa.Table) -> None:
        if self.left == 0:
            raise KilledError
        self.left = None if self.left is None else self.left - 1
        super().write_part(table, key, part, rows)

    def finish(self, table: str, key: str, parts: Sequence[str]) -> None:
        if not self.finishes:
            raise KilledError
        super().finish(table, key, parts)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "SHARD_ROWS", SHARD)


def run(table: Asked, store: MemoryStore | None = None) -> tuple[Audit, dict[str, pa.Table]]:
    """The audit, and the evidence that it left."""
    frame = pa.Table.from_pandas(table.frame, preserve_index=False)
    prepared = prepare_gate(None, frame, table.request, "t", SilentProgress())
    prepared.store = store = store or MemoryStore()
    audit = stages.perform(prepared, Clock())
    return audit, {name: whole for (name, _), whole in store._whole.items()}


def assert_same(found: tuple[Audit, dict[str, pa.Table]], expected: tuple[Audit, dict[str, pa.Table]]) -> None:
    assert set(found[1]) == set(expected[1])
    for name, rows in expected[1].items():
        assert found[1][name].equals(rows, check_metadata=True), name
    assert found[0] == expected[0]


TABLES = asked(sizes=(60, 160))


@given(table=TABLES, kills=st.lists(st.integers(0, 25), max_size=4))
@examples(4)
def test_any_moments_of_death(table: Asked, kills: list[int]) -> None:
    store, found = FragileStore(), None
    for writes in (*kills, None):
        store.left = writes
        try:
            found = run(table, store)
        except KilledError:
            continue
    assert found is not None
    assert_same(found, run(table))


@given(table=TABLES, seed=st.integers(0, 2**16))
@examples(4)
def test_any_parts_that_are_there_in_any_order(table: Asked, seed: int) -> None:
    """As several machines would leave them, one of them cut short."""
    rng, done = np.random.default_rng(seed), FragileStore(finishes=False)
    with pytest.raises(KilledError):
        run(table, done)
    parts = list(done._parts.items())
    assert len(parts) >= 2 * (len(table.frame) // SHARD)
    some = MemoryStore()
    for at in rng.permutation(len(parts))[: rng.integers(0, len(parts) + 1)]:
        (name, key, part), rows = parts[at]
        some.write_part(name, key, part, rows)
    assert_same(run(table, some), run(table))


@given(table=TABLES, rows=st.sampled_from([1, 5, 17, 64, 8192]))
@examples(4)
def test_any_size_of_shards(table: Asked, rows: int) -> None:
    expected = run(table)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "SHARD_ROWS", rows)
        found = run(table)[0]
    assert found.findings == expected.findings
    assert (found.verdict, found.exit_code) == (expected.verdict, expected.exit_code)


@given(order=st.permutations(range(7)), twice=st.lists(st.integers(0, 6), max_size=3))
@examples(8)
def test_the_bytes_of_a_table_on_disk(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], twice: list[int]
) -> None:
    """Parts are joined in their order, whenever each was written, and however often."""
    plain, shuffled = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("shuffled")
    _fill(plain, range(7))
    _fill(shuffled, [*order, *twice])
    names = [_name(part) for part in range(7)]
    for folder in (plain, shuffled):
        DirectoryStore(folder).finish("predictions", "k" * 64, names)
    assert DirectoryStore(shuffled).read("predictions", "k" * 64)["row"].to_pylist() == list(range(21))
    assert sha256_file(shuffled / "predictions.parquet") == sha256_file(plain / "predictions.parquet")


def _name(part: int) -> str:
    return f"test-{part:06d}"


def _fill(folder: Path, order: Sequence[int]) -> None:
    store = DirectoryStore(folder)
    for part in order:
        rows = pa.table({"row": list(range(part * 3, part * 3 + 3)), "output:0": [part / 7] * 3})
        store.write_part("predictions", "k" * 64, _name(part), rows)

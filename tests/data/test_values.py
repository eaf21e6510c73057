"""Cells: decoding, hashing, sampling, modalities."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from auditkit.core.types import InputKind
from auditkit.data.decode import CellError, NumberGuess, coded, numbers
from auditkit.data.hashing import combined, hash_numbers, hash_texts, mixed, text_hash
from auditkit.data.modalities.base import MODALITIES, modality
from auditkit.data.sample import select
from auditkit.data.spec import label_text

ARRAYS = [
    pa.array(["b", None, "a", "b"]),
    pa.array(["b", None, "a", "b"], pa.large_string()),
    pa.array(["b", None, "a", "b"], pa.string_view()),
    pa.array(["b", None, "a", "b"]).dictionary_encode(),
    pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3]), pa.array(["b", None, "a", "b"])),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: str(a.type))
def test_texts(array: pa.Array) -> None:
    for piece in (array, pa.concat_arrays([array, array]).slice(4)):
        values = coded(piece)
        assert values.objects().tolist() == ["b", None, "a", "b"]
        assert values.arrow().equals(pa.array(["b", None, "a", "b"]))
        assert len(values.texts) == 2


@given(st.lists(st.none() | st.floats() | st.integers(-(2**53), 2**53) | st.booleans()))
def test_texts_are_label_text(values: list[float | int | bool | None]) -> None:
    for kind in (float, int, bool):
        own = [v for v in values if v is None or type(v) is kind]
        known = [None if v is None or (kind is float and math.isnan(v)) else label_text(v) for v in own]
        assert coded(pa.array(own)).objects().tolist() == known


def test_texts_of_other_types() -> None:
    assert coded(pa.array([decimal.Decimal("1.00"), decimal.Decimal("2.50")])).objects().tolist() == ["1", "2.5"]
    assert coded(pa.array([datetime.date(2024, 5, 1), None])).objects().tolist() == ["2024-05-01", None]
    assert coded(pa.nulls(2)).objects().tolist() == [None, None]
    assert coded(pa.array([], pa.string())).objects().tolist() == []


def test_a_long_text_is_no_category() -> None:
    with pytest.raises(CellError, match="takes 70,000 bytes") as caught:
        coded(pa.array(["a", "a", "x" * 70_000]))
    assert caught.value.index == 2


def test_numbers() -> None:
    nan = math.nan
    cells = ["1", " 2.5 ", "-3e2", "+4", "inf", "-Infinity", "", "NA", "N/A", "NaN", "nan", "null", "None", "?", None]
    expected = [1.0, 2.5, -300.0, 4.0, math.inf, -math.inf, *[nan] * 9]
    for array in (pa.array(cells), pa.array(cells).dictionary_encode()):
        np.testing.assert_array_equal(numbers(array), expected)
    np.testing.assert_array_equal(numbers(pa.array([True, None, False])), [1.0, nan, 0.0])
    np.testing.assert_array_equal(numbers(pa.array([1, None], pa.int8())), [1.0, nan])
    np.testing.assert_array_equal(numbers(pa.array([decimal.Decimal("1.25")])), [1.25])
    np.testing.assert_array_equal(numbers(pa.nulls(2)), [nan, nan])


@given(
    st.lists(st.sampled_from(["1", "2.5", "", "NA"]), max_size=50),
    st.integers(0, 50),
    st.sampled_from(["x", "1,5", "1_0", "0x1", "--1", "1 2"]),
)
def test_the_first_cell_that_is_no_number_is_named(cells: list[str], place: int, bad: str) -> None:
    place = min(place, len(cells))
    with pytest.raises(CellError) as caught:
        numbers(pa.array([*cells[:place], bad, *cells[place:], bad], pa.string()))
    assert caught.value.index == place
    assert repr(bad) in caught.value.what


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1", "", "?"], True),
        (["1", "x"], False),
        (["", "NA"], False),
        (["01", "2"], False),
        (["0", "0.5", "-0.5"], True),
        (["inf", "nan"], False),
        (["inf", "1"], True),
    ],
)
def test_guesses(cells: list[str], numeric: bool) -> None:
    guess = NumberGuess()
    for cell in cells:
        guess.see(pa.array([cell]))
    assert guess.numeric is numeric


def test_hashes_are_what_they_were() -> None:
    """Stored evidence is compared with them: they must never change."""
    # First output of SplitMix64 seeded with 0 and 1234567 (reference values of its authors' C code).
    assert mixed(np.array([0, 1234567], dtype=np.uint64)).tolist() == [0xE220A8397B1DCDAF, 6457827717110365317]
    assert text_hash("a") == int.from_bytes(hashlib.blake2b(b"a", digest_size=8).digest(), "little")
    cells = {"x": hash_numbers(np.array([1.5, np.nan])), "y": hash_texts(coded(pa.array(["a", None])))}
    assert combined(cells, 2).tolist() == [15511137658356053966, 12827969075818134363]


def test_hashes_of_equal_cells() -> None:
    values = np.array([0.0, -0.0, np.nan, -np.nan, 1.0])
    hashes = hash_numbers(values)
    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3]
    assert len(set(hashes.tolist())) == 3
    assert hash_texts(coded(pa.array(["a", None])))[1] == hashes[2]


def test_swapped_cells_hash_differently() -> None:
    a, b = hash_numbers(np.array([1.0, 2.0])), hash_numbers(np.array([2.0, 1.0]))
    hashes = combined({"x": a, "y": b}, 2)
    assert hashes[0] != hashes[1]
    np.testing.assert_array_equal(hashes, combined({"y": b, "x": a}, 2))
    assert combined({"x": a}, 2)[0] != combined({"z": a}, 2)[0]


def test_hashes_spread_evenly() -> None:
    hashes = hash_numbers(np.arange(100_000, dtype=np.float64))
    counts = np.bincount((hashes >> np.uint64(56)).astype(int), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_sample_is_uniform() -> None:
    """Over seeds, every row is drawn equally often, and neighbours independently."""
    draws = np.zeros(200)
    pairs = 0
    for seed in range(2000):
        rows = select("test", 200, 50, seed).rows
        assert rows is not None
        assert len(rows) == 50
        draws[rows] += 1
        pairs += int(np.isin([10, 11], rows).all())
    assert stats.chisquare(draws).pvalue > 1e-3
    together = 50 / 200 * 49 / 199
    assert stats.binomtest(pairs, 2000, together).pvalue > 1e-3


def test_samples_nest_and_repeat() -> None:
    """Bottom-k: a smaller sample is part of a larger one; blocks make no difference; splits differ."""
    small, large = select("test", 3_000_000, 100, 5).rows, select("test", 3_000_000, 1000, 5).rows
    assert small is not None
    assert large is not None
    assert set(small.tolist()) < set(large.tolist())
    np.testing.assert_array_equal(small, select("test", 3_000_000, 100, 5).rows)
    keys = mixed(np.arange(3_000_000, dtype=np.uint64) ^ np.uint64(text_hash("5\0test")))
    np.testing.assert_array_equal(small, np.sort(np.argsort(keys)[:100]))
    assert select("train", 3_000_000, 100, 5).rows.tolist() != small.tolist()
    assert select("test", 100, 100, 5).rows is None


def test_modalities() -> None:
    assert set(MODALITIES.names()) == set(InputKind)
    numeric, categorical = modality(InputKind.NUMERIC), modality(InputKind.CATEGORICAL)
    assert numeric.reference(np.array([1.0, 2.0, 9.0, np.nan, np.inf])) == 2.0
    assert math.isnan(numeric.reference(np.array([np.nan])))
    assert categorical.reference(np.array(["b", "a", "b", None], dtype=object)) == "b"
    assert categorical.reference(np.array(["b", "a"], dtype=object)) == "a"
    assert categorical.reference(np.array([None], dtype=object)) is None
    shown = [numeric.show(v) for v in (1234567.0, 0.123456, math.nan, math.inf)]
    assert shown == ["1234567", "0.123", "(missing)", "∞"]
    assert [categorical.show(v) for v in ("x", None)] == ["x", "(missing)"]
    values, hashes = categorical.decode(pa.array(["a", None]))
    assert values.tolist() == ["a", categorical.absent]
    assert hashes.dtype == np.uint64


def test_a_time_beyond_the_calendar_is_refused() -> None:
    from auditkit.data.decode import _texts

    with pytest.raises(pa.ArrowException, match="beyond the calendar"):
        _texts(pa.array([2**62], type=pa.timestamp("s")), 1_000)

from __future__ import annotations

import time

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    true_positive_rate,
)

from auditkit.core.design import Design
from auditkit.measures import pairs
from auditkit.measures.difference import difference
from auditkit.measures.gaps import gap
from auditkit.measures.intervals import mover_difference, mover_ratio, range_quantile, wilson
from auditkit.measures.moments import moments
from tests.measures.samples import assert_sound, covers, groups, mean, proportion, rule


def odds(y, predicted):
    return [proportion(predicted, y, "tpr"), proportion(predicted, ~y, "fpr"), proportion(predicted, name="selected")]


@pytest.mark.parametrize("count", [2, 5, 60])
def test_values_are_fairlearns(count):
    rng = np.random.default_rng(count)
    code, y = rng.integers(0, count, 6000), rng.random(6000) < 0.3
    predicted = rng.random(6000) < np.where(y, 0.7, 0.2) * np.linspace(0.6, 1.2, count)[code]
    stats, by = odds(y, predicted), groups(code, count)
    sensitive = {"y_true": y, "y_pred": predicted, "sensitive_features": code}
    for made, expected in (
        (rule("selected"), demographic_parity_difference(**sensitive)),
        (rule("selected", form="ratio"), demographic_parity_ratio(**sensitive)),
        (rule("tpr", "fpr"), equalized_odds_difference(**sensitive)),
        (rule("tpr", "fpr", form="ratio"), equalized_odds_ratio(**sensitive)),
    ):
        found = gap(made, stats, by)
        assert found.estimate.value == pytest.approx(expected, abs=1e-12)
        assert_sound(found.estimate)


def test_weighted_values_are_fairlearns():
    rng = np.random.default_rng(0)
    code, y, predicted, w = rng.integers(0, 4, 900), rng.random(900) < 0.4, rng.random(900) < 0.5, rng.random(900)
    expected = demographic_parity_difference(y, predicted, sensitive_features=code, sample_weight=w)
    found = gap(rule("selected"), odds(y, predicted), groups(code, 4), Design(w))
    assert found.estimate.value == pytest.approx(expected, abs=1e-12)


def test_the_worst_groups_are_named():
    found = gap(rule("rate"), [proportion([1, 1, 0, 0, 1, 0])], groups([0, 0, 1, 1, 2, 2], ["a", "b", "c"]))
    assert (found.highest, found.lowest, found.compared) == ("a", "b", ("a", "b", "c"))
    assert found.small == ("a", "b", "c")


def test_rows_of_overlapping_statistics_are_counted_once_and_of_disjoint_ones_together():
    """True and false positive rate rest on different rows; a rate of all rows holds those of any other."""
    y = np.array([1, 1, 0, 0, 0, 1, 0, 0], dtype=bool)
    stats, by = odds(y, y), groups([0, 0, 0, 0, 0, 1, 1, 1], 2)
    assert gap(rule("tpr", "fpr"), stats, by).estimate.n == 8
    assert gap(rule("tpr", "selected"), stats, by).estimate.n == 8
    assert gap(rule("tpr"), stats, by).estimate.n == 3


def test_two_groups_get_newcombes_interval():
    rng = np.random.default_rng(1)
    x, code = rng.random(500) < 0.3, np.arange(500) % 2
    found = gap(rule("rate"), [proportion(x)], groups(code, 2)).estimate
    pair = difference(proportion(x[code == 0]), proportion(x[code == 1]))
    expected = (max(0.0, pair.low, -pair.high), max(pair.high, -pair.low))
    assert found.interval == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("form", ["difference", "ratio"])
@pytest.mark.parametrize("block", [3, 10_000])
def test_the_interval_is_that_of_every_pair(form, block, monkeypatch):
    monkeypatch.setattr(pairs, "_BLOCK", block)
    rng = np.random.default_rng(2)
    code = rng.integers(0, 12, 400)
    stat = proportion(rng.random(400) < 0.4)
    found = gap(rule("rate", form=form), [stat], groups(code, 12)).estimate
    m = moments(stat, code, 12)
    z = range_quantile(0.95, 12)
    low, high = wilson(m.value, m.effective, z)
    mover = mover_difference if form == "difference" else mover_ratio
    ends = np.array(
        [
            [end[0] for end in mover(m.value[[i]], (low[[i]], high[[i]]), m.value[[j]], (low[[j]], high[[j]]))]
            for i in range(12)
            for j in range(12)
            if i != j
        ]
    )
    worst = ends.max(axis=0) if form == "difference" else ends.min(axis=0)
    assert found.interval == pytest.approx(np.clip(worst, 0, 1), abs=1e-12)


def test_an_absent_group_leaves_no_value_but_the_rest_is_told():
    found = gap(rule("rate"), [proportion([1, 0, 1, 1])], groups([0, 0, 2, 2], ["a", "b", "c"]))
    assert found.estimate.value is None
    assert found.absent == ("b",)
    assert "'b'" in found.estimate.reason
    assert "no rows in this split" in found.estimate.reason
    assert found.partial.value == 0.5
    assert found.compared == ("a", "c")


def test_a_group_without_positives_is_named_with_what_it_lacks():
    y = np.array([1, 1, 0, 0, 1, 0], dtype=bool)
    found = gap(rule("tpr", "fpr"), odds(y, y), groups([0, 0, 1, 1, 2, 2], ["a", "b", "c"]))
    assert found.estimate.value is None
    assert set(found.undefined) == {"a", "b"}
    assert "'b'" in found.estimate.reason
    assert "the label 'yes'" in found.estimate.reason
    assert found.partial is None


def test_one_group_has_no_gap():
    for labels in (["a"], []):
        codes = np.zeros(3, dtype=int) if labels else np.zeros(0, dtype=int)
        found = gap(rule("rate"), [proportion(np.ones(len(codes)))], groups(codes, labels)).estimate
        assert found.value is None
        assert "two groups" in found.reason


def test_no_rows_at_all():
    found = gap(rule("rate"), [proportion([])], groups([], ["a", "b"]))
    assert found.estimate.value is None
    assert found.absent == ("a", "b")


def test_a_statistic_that_was_not_measured_is_named():
    found = gap(rule("log_loss"), [proportion([1, 0])], groups([0, 1], 2)).estimate
    assert found.value is None
    assert "log_loss" in found.reason


@pytest.mark.parametrize("hit", [0, 1])
def test_groups_that_are_all_alike_keep_an_interval_with_width(hit):
    stat, by = proportion(np.full(60, hit)), groups(np.arange(60) % 3, 3)
    assert_sound(gap(rule("rate"), [stat], by).estimate)
    ratio = gap(rule("rate", form="ratio"), [stat], by).estimate
    if hit:
        assert_sound(ratio)
        assert ratio.high == 1.0
    else:
        assert ratio.value is None
        assert "0 in every group" in ratio.reason


def test_ratio_with_one_group_at_zero():
    found = gap(
        rule("rate", form="ratio"), [proportion([0] * 40 + [1, 0] * 20)], groups([0] * 40 + [1] * 40, 2)
    ).estimate
    assert (found.value, found.low) == (0.0, 0.0)
    assert_sound(found)


def test_means_that_are_equal_in_one_group_borrow_the_spread_of_the_rest():
    x = np.concatenate([np.zeros(20), np.random.default_rng(3).normal(1, 1, 40), [2.0]])
    found = gap(rule("loss"), [mean(x)], groups([0] * 20 + [1] * 40 + [2], 3)).estimate
    assert_sound(found)
    none = gap(rule("loss"), [mean(np.repeat([0.0, 1.0], 5))], groups([0] * 5 + [1] * 5, 2)).estimate
    assert (none.value, none.interval) == (1.0, None)
    assert "spread" in none.reason


def test_a_ratio_of_means_below_zero_does_not_exist():
    found = gap(rule("loss", form="ratio"), [mean([-1.0, -2, 1, 2])], groups([0, 0, 1, 1], 2)).estimate
    assert found.value is None
    assert "negative" in found.reason


def test_expected_if_equal_is_what_equal_groups_show():
    rng = np.random.default_rng(4)
    code = np.repeat(np.arange(10), 200)
    seen, said = [], []
    for _ in range(200):
        found = gap(rule("rate"), [proportion(rng.random(2000) < 0.3)], groups(code, 10))
        seen.append(found.estimate.value)
        said.append(found.expected_if_equal)
    assert np.mean(said) == pytest.approx(np.mean(seen), rel=0.05)


CASES = [(2, 30), (2, 3000), (10, 30), (10, 300), (60, 30)]


@pytest.mark.parametrize(("count", "rows"), CASES)
@pytest.mark.parametrize("true", [0.0, 0.2])
@pytest.mark.parametrize("form", ["difference", "ratio"])
def test_coverage_over_all_pairs(count, rows, true, form, monkeypatch):
    simulate(count, rows, true, form, 150, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 10, 60])
@pytest.mark.parametrize("rows", [30, 300, 3000])
@pytest.mark.parametrize("true", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("form", ["difference", "ratio"])
def test_coverage_over_all_pairs_at_length(count, rows, true, form, monkeypatch):
    simulate(count, rows, true, form, 1000, monkeypatch)


def simulate(count, rows, true, form, replicates, monkeypatch):
    monkeypatch.setattr(pairs, "null_gaps", lambda *_: None)
    rng = np.random.default_rng(count * rows)
    rate = np.full(count, 0.3)
    rate[0] += true
    code = np.repeat(np.arange(count), rows)
    truth = true if form == "difference" else 0.3 / (0.3 + true)
    hits = []
    for _ in range(replicates):
        stat = proportion(rng.random(len(code)) < rate[code])
        found = gap(rule("rate", form=form), [stat], groups(code, count)).estimate
        assert_sound(found)
        hits.append(covers(found, truth))
    # Three standard errors of the simulation below 93%.
    assert np.mean(hits) >= 0.93 - 3 * np.sqrt(0.06 / replicates)


@pytest.mark.parametrize("count", [2, 10])
def test_coverage_of_equalized_odds(count):
    rng = np.random.default_rng(count)
    code = np.repeat(np.arange(count), 200)
    tpr, fpr = np.full(count, 0.7), np.full(count, 0.2)
    fpr[-1] = 0.35
    hits = []
    for _ in range(150):
        y = rng.random(len(code)) < 0.4
        predicted = rng.random(len(code)) < np.where(y, tpr[code], fpr[code])
        found = gap(rule("tpr", "fpr"), odds(y, predicted), groups(code, count)).estimate
        assert_sound(found)
        hits.append(covers(found, 0.15))
    assert np.mean(hits) >= 0.93


@pytest.mark.parametrize("form", ["difference", "ratio"])
def test_coverage_of_means(form):
    rng = np.random.default_rng(9)
    code = np.repeat(np.arange(5), 80)
    centre = np.array([1.0, 1, 1, 1, 1.5])
    hits = []
    for _ in range(200):
        x = rng.gamma(2, centre[code] / 2)
        hits.append(
            covers(
                gap(rule("loss", form=form), [mean(x)], groups(code, 5)).estimate,
                0.5 if form == "difference" else 2 / 3,
            )
        )
    assert np.mean(hits) >= 0.93


def test_thousands_of_groups_are_no_trouble():
    rng = np.random.default_rng(10)
    code, x = rng.integers(0, 4000, 200_000), rng.random(200_000)
    start = time.process_time()
    assert_sound(gap(rule("rate"), [proportion(x < 0.3)], groups(code, 4000)).estimate)
    assert_sound(gap(rule("loss"), [mean(x)], groups(code, 4000)).estimate)
    assert time.process_time() - start < 6


def test_a_rate_that_fairlearn_calls_zero_does_not_exist_here():
    y, code = np.array([1, 1, 0, 0], dtype=bool), np.array([0, 0, 1, 1])
    theirs = MetricFrame(metrics=true_positive_rate, y_true=y, y_pred=y, sensitive_features=code)
    assert theirs.difference() == 1.0
    assert gap(rule("tpr"), odds(y, y), groups(code, 2)).estimate.value is None

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from auditkit.core.design import Design
from auditkit.measures import classification
from auditkit.measures.bootstrap import from_counts
from auditkit.measures.classification import (
    balanced_accuracy,
    confusion,
    f1,
    macro_f1,
    matthews_correlation,
    row_brier,
    row_log_loss,
)
from tests.measures.samples import assert_sound, covers

LABELS = ("a", "b", "c")


def three_classes(rng, n, noise=0.3, same_class=0.0):
    target = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    return target, np.where(rng.random(n) < noise, rng.integers(0, 3, n), target)


@pytest.mark.parametrize("weighted", [False, True])
def test_values_are_scikit_learns(weighted):
    rng = np.random.default_rng(0)
    t, p = three_classes(rng, 700)
    w = rng.random(700) if weighted else None
    close = {"abs": 1e-12}
    assert confusion(t, p, 3, Design(w)) == pytest.approx(metrics.confusion_matrix(t, p, sample_weight=w))
    assert balanced_accuracy(t, p, LABELS, Design(w)).value == pytest.approx(
        metrics.balanced_accuracy_score(t, p, sample_weight=w), **close
    )
    assert macro_f1(t, p, LABELS, Design(w)).value == pytest.approx(
        metrics.f1_score(t, p, average="macro", sample_weight=w), **close
    )
    assert matthews_correlation(t, p, 3, Design(w)).value == pytest.approx(
        metrics.matthews_corrcoef(t, p, sample_weight=w), **close
    )
    assert f1(t == 1, p == 1, Design(w)).value == pytest.approx(
        metrics.f1_score(t == 1, p == 1, sample_weight=w), **close
    )


def test_losses_are_scikit_learns():
    rng = np.random.default_rng(1)
    scores, t = rng.dirichlet([1, 1, 1], 100), rng.integers(0, 3, 100)
    scores[0] = [0, 0.5, 0.5]
    t[0] = 0
    assert row_log_loss(scores, t).mean() == pytest.approx(metrics.log_loss(t, scores), rel=1e-9)
    assert row_brier(scores, t) == pytest.approx(((scores - np.eye(3)[t]) ** 2).sum(axis=1))
    assert np.isnan(row_log_loss(scores, np.full(100, -1))).all()


def row_bootstrap(measure, t, p, rng, replicates=600):
    drawn = []
    for _ in range(replicates):
        rows = rng.integers(0, len(t), len(t))
        drawn.append(measure(t[rows], p[rows]))
    return np.quantile(drawn, [0.025, 0.975])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda t, p: macro_f1(t, p, LABELS), lambda t, p: metrics.f1_score(t, p, average="macro")),
        (lambda t, p: matthews_correlation(t, p, 3), metrics.matthews_corrcoef),
        (lambda t, p: balanced_accuracy(t, p, LABELS), metrics.balanced_accuracy_score),
    ],
    ids=["macro_f1", "matthews", "balanced_accuracy"],
)
def test_intervals_are_those_of_a_bootstrap_of_rows(ours, theirs):
    rng = np.random.default_rng(2)
    t, p = three_classes(rng, 500)
    assert ours(t, p).interval == pytest.approx(row_bootstrap(theirs, t, p, rng), abs=0.012)


def population(rng):
    """True values of the three measures for `three_classes`, from a very large sample."""
    t, p = three_classes(rng, 2_000_000)
    return confusion(t, p, 3)


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("name", ["f1", "macro_f1", "matthews", "balanced"])
def test_coverage(name, clustered):
    rng = np.random.default_rng(3)
    cells = population(rng)
    recall, precision = np.diag(cells) / cells.sum(axis=1), np.diag(cells) / cells.sum(axis=0)
    single = 2 * precision * recall / (precision + recall)
    margins, share = (cells.sum(axis=1) / cells.sum(), cells.sum(axis=0) / cells.sum()), np.trace(cells) / cells.sum()
    matthews = (share - margins[0] @ margins[1]) / np.sqrt(
        (1 - margins[0] @ margins[0]) * (1 - margins[1] @ margins[1])
    )
    truth = {"f1": single[1], "macro_f1": single.mean(), "matthews": matthews, "balanced": recall.mean()}[name]
    hits = []
    for _ in range(120):
        t, p = three_classes(rng, 150)
        c = np.repeat(np.arange(150), 4) if clustered else None
        t, p = (np.repeat(t, 4), np.repeat(p, 4)) if clustered else (t, p)
        found = {
            "f1": lambda t, p, c: f1(t == 1, p == 1, Design(cluster=c)),
            "macro_f1": lambda t, p, c: macro_f1(t, p, LABELS, Design(cluster=c)),
            "matthews": lambda t, p, c: matthews_correlation(t, p, 3, Design(cluster=c)),
            "balanced": lambda t, p, c: balanced_accuracy(t, p, LABELS, Design(cluster=c)),
        }[name](t, p, c)
        assert_sound(found)
        hits.append(covers(found, float(truth)))
    assert np.mean(hits) >= 0.9


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [30, 3000])
def test_when_everything_is_right_there_is_still_width(n, weighted):
    t = np.arange(n) % 3
    w, c = (np.linspace(1, 2, n), np.arange(n)) if weighted else (None, None)
    for found in (
        f1(t == 0, t == 0, Design(w, c)),
        macro_f1(t, t, LABELS, Design(w, c)),
        matthews_correlation(t, t, 3, Design(w, c)),
        balanced_accuracy(t, t, LABELS, Design(w, c)),
    ):
        assert found.value == pytest.approx(1.0)
        assert_sound(found)
        if n == 3000:
            assert found.low > 0.98


def test_three_right_rows_are_too_few_for_a_correlation():
    found = matthews_correlation(np.arange(3), np.arange(3), 3)
    assert (found.value, found.interval) == (1.0, None)
    assert "resamples" in found.reason


def test_what_does_not_exist_says_why():
    t, p = np.array([0, 0, 1, 1]), np.zeros(4, dtype=int)
    assert "'c'" in balanced_accuracy(t, p, LABELS).reason
    assert "'c'" in macro_f1(t, p, LABELS).reason
    assert "one class" in matthews_correlation(t, p, 3).reason
    assert f1(t == 2, p == 2).value is None
    none = np.full(4, -1)
    for found in (balanced_accuracy(none, p, LABELS), macro_f1(none, p, LABELS), matthews_correlation(none, p, 3)):
        assert found.value is None


def test_counts_bootstrap_is_the_binomial_for_a_share():
    found = from_counts(np.array([30, 70]), lambda c: c[:, 0] / c.sum(axis=1), replicates=40_000)
    assert found.value == 0.3
    assert found.interval == pytest.approx((0.21, 0.39), abs=0.011)


def test_counts_bootstrap_is_repeatable_and_takes_a_generator():
    counts, share = np.array([3, 4, 5]), lambda c: c[:, 0] / c.sum(axis=1)
    assert from_counts(counts, share) == from_counts(counts, share)
    assert from_counts(counts, share, rng=np.random.default_rng(1)).interval is not None


def test_counts_bootstrap_without_an_interval_where_replicates_are_undefined():
    with np.errstate(divide="ignore", invalid="ignore"):
        found = from_counts(np.array([1, 1, 40]), lambda c: c[:, 0] / (c[:, 0] + c[:, 1]))
    assert found.value == 0.5
    assert found.interval is None
    assert "%" in found.reason
    assert from_counts(np.zeros(3, dtype=int), lambda c: c[:, 0]).value is None


@pytest.mark.parametrize("clustered", [False, True])
def test_coverage_of_the_correlation_with_weights_that_hang_together_with_the_rows(clustered):
    rng = np.random.default_rng(6)
    target, prediction, weight, _ = _rare(rng, 1_000_000, clustered=False)
    truth = matthews_correlation(target, prediction, 2, Design(weight)).value
    hits = []
    for _ in range(250):
        *rows, cluster = _rare(rng, 300, clustered)
        hits.append(covers(matthews_correlation(rows[0], rows[1], 2, Design(rows[2], cluster)), truth))
    assert np.mean(hits) >= 0.915  # 0.88 with as many degrees of freedom as rows


def _rare(rng, n, clustered):
    cluster = np.arange(n) // 5 if clustered else None

    def normal():
        alone = rng.normal(size=n)
        return np.sqrt(0.3) * rng.normal(size=n // 5 + 1)[cluster] + np.sqrt(0.7) * alone if clustered else alone

    z = normal()
    target = (0.8 * z + 0.6 * normal() > 1.5).astype(np.int64)
    return target, (z > 1.5).astype(np.int64), np.exp(rng.normal(size=n) + 0.4 * z), cluster


def test_limits_in_closed_form_agree_with_the_bootstrap(monkeypatch):
    """What takes the bootstrap's place where there are too many classes, on a case that both can do."""
    rng = np.random.default_rng(5)
    target = rng.integers(0, 6, 800)
    given = np.where(rng.random(800) < 0.6, target, rng.integers(0, 6, 800))
    drawn = matthews_correlation(target, given, 6)
    perfect = matthews_correlation(target, target, 6)
    monkeypatch.setattr(classification, "_MOST_DRAWN", 5)
    closed = matthews_correlation(target, given, 6)
    assert "posterior" in drawn.method
    assert "delta" in closed.method
    assert closed.value == drawn.value
    assert closed.interval == pytest.approx(drawn.interval, abs=0.005)
    sure = matthews_correlation(target, target, 6)
    assert (sure.value, sure.high) == (1.0, 1.0)
    assert sure.low == pytest.approx(perfect.low, abs=0.01)
    assert sure.low < 1

"""Gates at the true gap seldom fail, whatever hangs together: shared clusters, weights, values cut at 0."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.core.design import Design
from auditkit.measures.between import gap_between
from auditkit.measures.calibration import expected_calibration_error
from auditkit.measures.gaps import gap
from auditkit.measures.impact import adverse_impact
from auditkit.measures.moments import moments
from auditkit.measures.shared import opposed
from tests.measures.samples import covers, groups, proportion, rule


@pytest.mark.parametrize(("first", "form"), [(0.5, "difference"), (0.6, "difference"), (0.6, "ratio")])
def test_groups_that_compete_within_clusters_are_covered(first, form):
    """Of two, one from each group, one is selected: taken as independent, the gap is covered 83% of the time."""
    rng, rows = np.random.default_rng(11), 300
    truth = 2 * first - 1 if form == "difference" else (1 - first) / first
    by, design = groups(np.repeat([0, 1], rows), 2), Design(cluster=np.tile(np.arange(rows), 2))
    hits = []
    for _ in range(800):
        chosen = rng.random(rows) < first
        stat = proportion(np.concatenate([chosen, ~chosen]))
        found = gap(rule("rate", form=form), [stat], by, design, expected=False).estimate
        hits.append(covers(found, truth))
        if form == "ratio":
            ratios = [one.ratio for one in adverse_impact(stat, by, design).groups]
            assert min(ratios, key=lambda r: r.value).interval == pytest.approx(found.interval)
    assert 0.93 <= np.mean(hits) <= 0.98


def test_only_what_runs_against_another_group_widens():
    rng, n = np.random.default_rng(2), 400
    one = rng.random(n) < 0.4
    by = np.repeat([0, 1, 2], n)
    stat = proportion(np.concatenate([one, ~one, rng.random(n) < 0.4]))
    apart = Design(cluster=np.arange(3 * n))
    own = moments(stat, by, 3, apart)
    assert opposed(own, stat, by, apart) is own
    shared = Design(cluster=np.concatenate([np.arange(n), np.arange(n), np.arange(n, 2 * n)]))
    plain = moments(stat, by, 3, shared)
    assert opposed(plain, stat, by, shared).variance / plain.variance == pytest.approx([2.0, 2.0, 1.0])
    alike = proportion(np.concatenate([one, one, one]))
    together = moments(alike, by, 3, shared)
    assert opposed(together, alike, by, shared) is together


def test_each_pair_is_correlated_as_numpy_says():
    rng, n, size = np.random.default_rng(3), 200, 4
    hit = rng.random((n, size)) < 0.5
    by, design = np.tile(np.arange(size), n), Design(cluster=np.repeat(np.arange(n), size))
    stat = proportion(hit.ravel())
    plain = moments(stat, by, size, design)
    expected = 1 + np.maximum(0, -np.corrcoef(hit.T).min(axis=1))
    assert opposed(plain, stat, by, design).variance / plain.variance == pytest.approx(expected)


def test_weights_that_go_with_the_rarer_value_do_not_fail_gates():
    """Hits weigh twice as much, and weights vary as much as they are large: 7% failed."""
    rng, rows, failed = np.random.default_rng(4), 300, 0
    by = groups(np.repeat(np.arange(10), rows), 10)
    for _ in range(400):
        hit = rng.random(10 * rows) < 0.2
        design = Design(weight=np.exp(rng.normal(size=10 * rows)) * np.where(hit, 2.0, 1.0))
        found = gap(rule("rate"), [proportion(hit)], by, design, expected=False).estimate
        failed += found.low is not None and found.low > 0
    assert failed / 400 <= 0.055


def test_the_gap_to_a_group_whose_calibration_error_is_0_is_covered():
    """Its value is never below 0, so its distance to 0 is no error that may go either way: 89% were covered."""
    rng, hits = np.random.default_rng(5), []
    for _ in range(200):
        parts = []
        for rows, off in ((50, 0.0), (1000, 0.2)):
            score = rng.uniform(0.05, 0.75, rows)
            parts.append((score, (rng.random(rows) < score + off).astype(float)))
        found = gap_between(
            "difference",
            ["a", "b"],
            lambda level, parts=parts: [expected_calibration_error(*p, confidence=level) for p in parts],
        )
        hits.append(covers(found.estimate, 0.2))
    assert np.mean(hits) >= 0.95

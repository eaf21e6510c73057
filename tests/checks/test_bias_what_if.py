"""What `bias.groups` says of other thresholds and of missing labels, against brute force over both."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from sklearn.metrics import accuracy_score

from auditkit.checks.bias.comparison import compare
from auditkit.checks.bias.groups import BiasGroups
from auditkit.checks.bias.missing import gap_range, ranges
from auditkit.checks.bias.thresholds import at_thresholds
from auditkit.core.evidence import Evidence
from auditkit.core.task import GapRule
from auditkit.measures.gaps import gap
from auditkit.tasks.binary import BinaryTask
from tests.checks.test_bias import evidence_of, of
from tests.evidence import Split, make_evidence, task_of
from tests.evidence_samples import sample_split


def test_gaps_at_other_thresholds_are_those_of_fairlearn() -> None:
    test = sample_split("binary", 1500, 4)
    assert test.scores is not None
    evidence = evidence_of(test)
    found = at_thresholds(evidence.task, compare(evidence, "test", "sex", 10))
    assert 15 <= len(found) <= 20
    assert [one.threshold for one in found if one.operating] == [0.5]
    for one in found:
        decided = (test.scores[:, 1] >= one.threshold).astype(int)
        given = {"y_true": test.target, "y_pred": decided, "sensitive_features": test.groups["sex"]}
        assert one.gaps[0].value == pytest.approx(demographic_parity_difference(**given), abs=1e-12)
        assert one.gaps[1].value == pytest.approx(equalized_odds_difference(**given), abs=1e-12)
        assert one.accuracy.value == pytest.approx(accuracy_score(test.target, decided), abs=1e-12)


def test_rows_counted_by_stretch_give_the_intervals_of_the_rows_themselves() -> None:
    evidence = evidence_of(sample_split("binary", 1500, 4))
    comparison = compare(evidence, "test", "race", 10)
    rule = next(r for r in comparison.rules if r.name == "equalized_odds_difference")
    for one in at_thresholds(evidence.task, comparison)[::5]:
        rows = evidence.task.decided_at(evidence.outcomes("test"), one.threshold)
        plain = gap(rule, evidence.task.statistics(rows), evidence.groups("test", "race")).estimate
        assert one.gaps[1].interval == pytest.approx(plain.interval, abs=1e-12)
        assert one.gaps[1].n == plain.n


def test_thresholds_are_drawn_for_single_attributes_and_only_where_one_decides() -> None:
    def titles(evidence: Evidence, by: str) -> list[str]:
        return [f.title for f in of(BiasGroups().run(evidence), "equalized_odds_difference", by).figures]

    test = sample_split("binary", 600, 4)
    curve = "Gaps by sex on test, and accuracy, by the threshold that decides"
    assert curve in titles(evidence_of(test), "sex")
    crossed = evidence_of(test, intersections=(("sex", "race"),))
    assert not [title for title in titles(crossed, "sex×race") if "threshold" in title]
    labels = make_evidence(task_of("binary", "labels"), {"test": replace(test, scores=None)})
    assert curve not in titles(labels, "sex")


def test_decisions_that_no_threshold_made_have_no_operating_one() -> None:
    test = sample_split("binary", 600, 4)
    other = replace(test, prediction=1 - test.prediction)
    evidence = evidence_of(other)
    assert not any(one.operating for one in at_thresholds(evidence.task, compare(evidence, "test", "sex", 10)))


def _few(missing: int) -> Split:
    """Ten rows of two groups, some without a label; small enough to try every label."""
    rng = np.random.default_rng(missing)
    target, prediction = rng.integers(0, 2, 10), rng.integers(0, 2, 10)
    target[:2], prediction[:2] = (0, 1), (0, 1)
    target[-2:] = (0, 1)
    lacking = rng.choice(np.arange(2, 8), missing, replace=False)
    target[lacking] = -1
    sex = ["F"] + ["M"] * 4 + ["F"] * 3 + ["M"] * 2
    sex[1] = "F"
    return Split(target, prediction, groups={"sex": sex})


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_the_ranges_hold_every_way_to_label_and_are_reached(missing: int) -> None:
    test, task = _few(missing), BinaryTask(("no", "yes"), "yes", "labels")
    evidence = make_evidence(task, {"test": test})
    comparison = compare(evidence, "test", "sex", 1)
    found = ranges(task, comparison)
    assert found is not None
    rows = np.flatnonzero(test.target < 0)
    seen: dict[str, list[list[float]]] = {name: [[], []] for name in found.rates}
    gaps: list[float] = []
    for labels in product((0, 1), repeat=len(rows)):
        target = test.target.copy()
        target[rows] = labels
        full = make_evidence(task, {"test": replace(test, target=target)})
        values = {s.name: v for s, v in zip(*_rates(full), strict=False)}
        for name, of_groups in seen.items():
            for g, value in enumerate(values[name]):
                of_groups[g] += [] if value is None else [value]
        accuracies = [v for v in values["accuracy"] if v is not None]
        gaps.append(max(accuracies) - min(accuracies))
    for name, of_groups in seen.items():
        low, high = found.rates[name]
        for g, values_of in enumerate(of_groups):
            assert low[g] <= min(values_of) + 1e-12
            assert high[g] >= max(values_of) - 1e-12
            if name == "accuracy":
                assert (low[g], high[g]) == pytest.approx((min(values_of), max(values_of)))
    ends = found.of_gap(GapRule("accuracy_difference", ("accuracy",), "difference"))
    assert ends is not None
    assert ends[1] == pytest.approx(max(gaps))
    assert ends[0] <= min(gaps) + 1e-12


def _rates(evidence: Evidence) -> tuple[list, list]:
    comparison = compare(evidence, "test", "sex", 1)
    return list(comparison.statistics), [[e.value for e in values] for values in comparison.estimates]


@pytest.mark.parametrize("form", ["difference", "ratio"])
def test_the_range_of_a_gap_is_that_of_all_corners(form: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        ends = np.sort(rng.random((2, 4)), axis=0)
        corners = np.array(list(product(*ends.T)))
        top, bottom = corners.max(axis=1), corners.min(axis=1)
        values = top - bottom if form == "difference" else bottom / top
        low, high = gap_range(form, *ends)
        # The widest gap is at a corner; the narrowest may be inside, where the ranges overlap.
        assert (high if form == "difference" else low) == pytest.approx(
            values.max() if form == "difference" else values.min()
        )
        inside = ends[0].max() <= ends[1].min()
        narrow = low if form == "difference" else high
        assert narrow == (0.0 if form == "difference" else 1.0) if inside else 0.0 < narrow < 1.0


def test_the_finding_says_what_missing_labels_do() -> None:
    test = sample_split("binary", 600, 3, missing_labels=60)
    found = BiasGroups().run(evidence_of(test))
    assert "60 rows have a decision but no label" in of(found, "accuracy_difference").explanation
    assert "60 rows have a decision but no label" in of(found, "equalized_odds_difference").explanation
    assert "have a decision but no label" in of(found, "accuracy", group="Female").explanation
    assert "no label" not in of(found, "selection_rate_difference").explanation
    clean = BiasGroups().run(evidence_of(sample_split("binary", 600, 3)))
    assert not [f for f in clean if "have a decision but no label" in f.explanation]

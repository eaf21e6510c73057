"""Every interval, of every metric of every task: it holds its value, has a width, and grows with its confidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups, Outcomes
from auditkit.core.task import Task
from auditkit.measures.gaps import gap
from auditkit.measures.rates import by_group, estimate
from tests.evidence import KINDS, task_of
from tests.evidence_samples import sample_split
from tests.measures.samples import proportion
from tests.properties import examples

LEVELS = (0.5, 0.8, 0.95, 0.99)
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@st.composite
def rows(draw: st.DrawFn, kind: str) -> tuple[Outcomes, Groups]:
    """Outcomes of 2 to 120 rows in up to three groups, of any design."""
    size, seed = draw(st.sampled_from([2, 5, 11, 31, 120])), draw(st.integers(0, 2**20))
    split = sample_split(kind, size, seed, skill=draw(st.sampled_from([0.5, 2.0, 9.0])))
    rng = np.random.default_rng(seed)
    design = draw(st.sampled_from(["plain", "plain", "weight", "cluster", "both"]))
    weight = rng.choice([0.0, 0.5, 1.0, 20.0], size) if design in ("weight", "both") else None
    cluster = rng.integers(0, size // 2 + 1, size) if design in ("cluster", "both") else None
    row = np.arange(size, dtype=np.int64)
    outcomes = Outcomes("test", row, split.target, split.prediction, split.scores, weight, cluster)
    return outcomes, Groups("g", ("a", "b", "c"), rng.integers(0, 3, size))


def estimates(task: Task, outcomes: Outcomes, groups: Groups, confidence: float) -> Iterator[tuple[str, Estimate]]:
    """Everything that is measured of all rows, of each group, and between groups."""
    for metric in task.summary(outcomes, confidence):
        yield f"summary {metric.name} {metric.class_}", metric.estimate
    statistics = task.statistics(outcomes)
    for stat in statistics:
        for label, found in zip(groups.labels, by_group(stat, groups, outcomes.design, confidence), strict=True):
            yield f"{stat.name} {stat.class_} of {label}", found
    for rule in task.gap_rules():
        yield f"{rule.name} {rule.class_}", gap(rule, statistics, groups, outcomes.design, confidence).estimate
    for measure in task.group_measures():
        for code, label in enumerate(groups.labels):
            part = outcomes.where(groups.codes == code)
            yield f"{measure.name} {measure.class_} of {label}", measure.of(part, confidence)


@EVERY_KIND
@given(data=st.data())
@examples(6)
def test_intervals(kind: str, data: st.DataObject) -> None:
    outcomes, groups = data.draw(rows(kind))
    task = task_of(kind)
    before: dict[str, Estimate] = {}
    for confidence in LEVELS:
        found = dict(estimates(task, outcomes, groups, confidence))
        for name, one in found.items():
            _assert_sound(name, one)
            if name in before:
                _assert_wider(f"{name} at {confidence}", before[name], one)
        before = found


def _assert_sound(name: str, found: Estimate) -> None:
    if found.value is None:
        assert found.reason, name
        assert found.interval is None, name
    elif found.interval is None:
        assert found.reason or not found.sampled, name
    else:
        assert found.interval[0] <= found.value <= found.interval[1], name
        assert found.interval[0] < found.interval[1] or not found.sampled, f"{name}: {found}"


def _assert_wider(name: str, narrow: Estimate, wide: Estimate) -> None:
    assert wide.value == narrow.value, name
    if narrow.interval is None or wide.interval is None:
        return
    slack = 1e-9 * max(1.0, abs(narrow.interval[0]), abs(narrow.interval[1]))
    assert wide.interval[0] <= narrow.interval[0] + slack, f"{name}: {narrow.interval}, then {wide.interval}"
    assert wide.interval[1] >= narrow.interval[1] - slack, f"{name}: {narrow.interval}, then {wide.interval}"


@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from(LEVELS))
@examples(200)
def test_one_more_wrong_row_never_betters_a_rate(right: int, wrong: int, confidence: float) -> None:
    """So that no gate with `min` passes because a failing row was added."""
    hits = np.concatenate([np.ones(right), np.zeros(wrong)])
    more, fewer = (estimate(proportion(some), confidence=confidence) for some in (hits, hits[:-1]))
    if fewer.value is None:
        return
    assert more.value is not None
    assert more.interval is not None
    assert fewer.interval is not None
    assert more.value <= fewer.value
    # Where 40 rows become 41 another interval begins, and where successes become few: it may start less low.
    slack = 0.02 if right + wrong == 41 else 0.004
    assert more.interval[1] <= fewer.interval[1] + slack
    assert more.interval[0] <= fewer.interval[0] + slack


@EVERY_KIND
@given(data=st.data())
@examples(3)
def test_rows_of_no_weight_are_no_rows(kind: str, data: st.DataObject) -> None:
    outcomes, groups = data.draw(rows(kind))
    task, size = task_of(kind), len(outcomes)
    weight = np.where(np.arange(size) % 3 == 2, 0.0, 1.0 if outcomes.weight is None else outcomes.weight)
    weighted, some = replace(outcomes, weight=weight), weight > 0
    part = weighted.where(some)
    whole = dict(estimates(task, weighted, groups, 0.95))
    for name, one in estimates(task, part, groups.where(some), 0.95):
        other = whole[name]
        assert (other.value is None) == (one.value is None), name
        if one.value is not None and other.value is not None:
            assert other.value == pytest.approx(one.value, rel=1e-9, abs=1e-12), name

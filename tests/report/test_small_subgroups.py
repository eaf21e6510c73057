"""What few rows of a subgroup tell is left out of the report, though no finding is about that subgroup alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auditkit.checks.bias.data import BiasData
from auditkit.checks.bias.intersections import BiasIntersections
from auditkit.core.finding import Finding
from auditkit.report.privacy import protect
from tests.evidence import Split, make_evidence, task_of
from tests.evidence_samples import subgroup_split
from tests.report.sample import sample_audit

NAME = "Female×Black"


def protected(found: list[Finding], **report: object) -> list[Finding]:
    return list(protect(sample_audit(findings=tuple(found), plan={"report": report})).findings)


def text_of(findings: list[Finding]) -> str:
    return " ".join(f.model_dump_json(by_alias=True) for f in findings)


def with_few(rows: int, positives: int) -> Split:
    """`rows` Black women, the first `positives` of them with the favourable label; the model is wrong of all."""
    split = subgroup_split(3000, harm=0.0, seed=2)
    names = np.array(["×".join(pair) for pair in zip(split.groups["sex"], split.groups["race"], strict=True)])
    inside = np.flatnonzero(names == NAME)
    split = split.where(np.sort(np.concatenate([np.flatnonzero(names != NAME), inside[:rows]])))
    mine = np.flatnonzero((np.array(split.groups["sex"]) == "Female") & (np.array(split.groups["race"]) == "Black"))
    target, prediction = split.target.copy(), split.prediction.copy()
    target[mine] = np.arange(len(mine)) < positives
    prediction[mine] = 1 - target[mine]
    return replace(split, target=target, prediction=prediction)


def subgroups(split: Split) -> list[Finding]:
    return BiasIntersections().run(make_evidence(task_of("binary", "labels"), {"test": split}))


def test_few_positives_hide_the_accuracy_of_a_subgroup() -> None:
    """12 rows, 2 of them positive: with its accuracy and false positive rate, the two would be known."""
    before = subgroups(with_few(12, 2))
    (worst,) = [f for f in before if f.metric == "worst_subgroup_accuracy"]
    assert worst.scope.groups == (NAME,)
    assert worst.value == 0
    after = {f.metric: f for f in protected(before)}
    for metric in ("worst_subgroup_accuracy", "accuracy_against_rest", "accuracy_difference"):
        assert after[metric].value is None, metric
        assert NAME not in after[metric].title
    for table in after["unsupported_subgroups"].tables:
        for row in table.rows:
            if row[0] == NAME:
                assert set(row[1:]) == {"not shown"}
    assert "12 rows" not in text_of(list(after.values()))


def test_a_subgroup_of_enough_rows_on_each_side_is_shown() -> None:
    after = {f.metric: f for f in protected(subgroups(with_few(60, 30)))}
    assert after["worst_subgroup_accuracy"].value == 0
    assert after["worst_subgroup_accuracy"].scope.groups == (NAME,)


def test_a_larger_minimum_hides_larger_subgroups() -> None:
    after = {f.metric: f for f in protected(subgroups(with_few(30, 15)), min_cell=40)}
    assert after["worst_subgroup_accuracy"].value is None


def test_small_subgroups_are_counted_but_not_sized() -> None:
    after = protected(subgroups(with_few(3, 1)))
    (support,) = [f for f in after if f.metric == "unsupported_subgroups"]
    assert support.value == 1
    assert "fewer than 5 rows in all" in support.explanation
    (few,) = [t for t in support.tables if "with fewer than 10 rows" in t.title]
    assert few.rows == ((NAME, "fewer than 5 rows"),)


def test_few_labels_of_a_group_on_train_hide_its_label_rate() -> None:
    rng = np.random.default_rng(0)
    sex = np.array(["Female"] * 40 + ["Male"] * 400)
    target = np.where(sex == "Female", np.arange(440) < 2, rng.random(440) < 0.4).astype(np.int64)
    split = Split(target, rng.integers(0, 2, 440), groups={"sex": sex.tolist()})
    before = BiasData().run(make_evidence(task_of("binary", "labels"), {"train": split}))
    after = {(f.metric, f.scope.groups): f for f in protected(before)}
    assert after["label_rate", ("Female",)].value is None
    assert after["label_rate", ("Male",)].value is not None
    assert after["group_share", ("Female",)].value is not None, "how many there are is no label"
    assert after["label_rate_difference", None].value is None
    cells = after["small_cells", None]
    assert "'Female' with 'yes' fewer than 5 rows" in cells.explanation
    tables = after["smallest_group_share", ("Female",)].tables
    rows = [row for table in tables for row in table.rows if row[0] == "Female"]
    assert rows
    assert not any(isinstance(cell, int | float) for row in rows for cell in row[2:])


def test_one_rare_label_of_several_takes_the_next_with_it() -> None:
    rng = np.random.default_rng(0)
    sex = np.array(["Female"] * 60 + ["Male"] * 400)
    target = np.where(sex == "Female", np.where(np.arange(460) < 3, 2, np.arange(460) % 2), rng.integers(0, 3, 460))
    split = Split(target, rng.integers(0, 3, 460), groups={"sex": sex.tolist()})
    before = BiasData().run(make_evidence(task_of("multiclass", "labels"), {"train": split}))
    hidden = {
        f.scope.class_
        for f in protected(before)
        if f.metric == "label_rate" and f.scope.groups == ("Female",) and f.value is None
    }
    assert "z" in hidden
    assert len(hidden) == 2

"""What every registered check must hold to, on every kind of task and on every degenerate input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from auditkit.checks.registry import CHECKS, FAMILIES
from auditkit.core.check import page
from auditkit.core.evidence import Asked, Evidence
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from tests.evidence import KINDS, Split, make_evidence, task_of, without
from tests.evidence_samples import every_table, sample_evidence, sample_split

ROWS = 150
EVERY = [(check, kind) for check in CHECKS.names() for kind in KINDS]
IDS = [f"{check}-{kind}" for check, kind in EVERY]


def _two(kind: str, test: Split, train: Split | None = None) -> Evidence:
    splits = {"train": train or sample_split(kind, ROWS, 5), "test": test}
    return make_evidence(task_of(kind), splits, tables=every_table(kind, test))


def one_class_group(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    women = np.array(test.groups["sex"]) == "Female"
    return _two(kind, replace(test, target=np.where(women, test.target[0], test.target)))


def absent_group(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    declared = {"sex": ("Female", "Male", "Nonbinary")}
    return make_evidence(
        task_of(kind),
        {"train": sample_split(kind, ROWS, 5), "test": test},
        tables=every_table(kind, test),
        declared=declared,
    )


def no_labels(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    return _two(kind, replace(test, target=np.full_like(test.target, -1 if kind != "regression" else np.nan)))


def unscored(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    scores = None if test.scores is None else np.full_like(test.scores, np.nan)
    return _two(
        kind,
        replace(test, scores=scores, prediction=np.full_like(test.prediction, -1 if kind != "regression" else np.nan)),
    )


def labels_only(kind: str) -> Evidence:
    splits = {name: sample_split(kind, ROWS, seed, scored=False) for seed, name in enumerate(("train", "test"))}
    outputs = "labels" if kind != "regression" else None
    return make_evidence(task_of(kind, outputs), splits, absent={"baseline": "there is none"})


def one_row(kind: str) -> Evidence:
    return _two(kind, sample_split(kind, 1, 1))


def no_rows(kind: str) -> Evidence:
    return _two(kind, sample_split(kind, ROWS, 1).where(np.zeros(ROWS, dtype=bool)))


def no_train(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    return make_evidence(task_of(kind), {"test": test}, tables=every_table(kind, test))


def only_train(kind: str) -> Evidence:
    return make_evidence(task_of(kind), {"train": sample_split(kind, ROWS, 1)})


def no_sensitive(kind: str) -> Evidence:
    splits = {name: replace(sample_split(kind, ROWS, seed), groups={}) for seed, name in enumerate(("train", "test"))}
    return make_evidence(task_of(kind), splits, tables=every_table(kind, splits["test"]))


def bare_tables(kind: str) -> Evidence:
    names = ("columns", "baseline", "attributions", "permutations", "deletion", "history")
    return without(sample_evidence(kind, ROWS), *names)


def group_is_an_id(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    groups = {"sex": [f"person {i}" for i in range(ROWS)], "race": ["same"] * ROWS}
    return _two(kind, replace(test, groups=groups), replace(sample_split(kind, ROWS, 5), groups=groups))


def constant(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    scores = None if test.scores is None else np.tile(test.scores[:1], (ROWS, 1))
    return _two(kind, replace(test, prediction=np.full_like(test.prediction, test.prediction[0]), scores=scores))


def problem(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    lost = replace(test, prediction=np.full_like(test.prediction, -1 if kind != "regression" else np.nan), scores=None)
    return _two(kind, replace(lost, problem="the column of predictions holds scores"), sample_split(kind, ROWS, 2))


def zero_weights(kind: str) -> Evidence:
    return _two(kind, replace(sample_split(kind, ROWS, 1), weight=np.zeros(ROWS)))


def weighted(kind: str) -> Evidence:
    weight = np.random.default_rng(3).gamma(2.0, size=ROWS)
    return _two(kind, replace(sample_split(kind, ROWS, 1), weight=weight, cluster=np.arange(ROWS) // 3))


def _absurd(kind: str, size: float, *, target: bool, rows: int = 1) -> Evidence:
    """Finite numbers that can't be squared, as prediction or as target; a classifier's are its weights."""
    test = sample_split(kind, ROWS, 1)
    tables = every_table(kind, test)
    value = np.where(np.arange(ROWS) < rows, size * (-1.0) ** np.arange(ROWS), test.target)
    if kind != "regression":
        odd = replace(test, weight=np.where(np.arange(ROWS) < rows, size, 1.0))
    else:
        odd = replace(test, target=value) if target else replace(test, prediction=value)
    return make_evidence(task_of(kind), {"train": sample_split(kind, ROWS, 5), "test": odd}, tables=tables)


def absurd_prediction(kind: str) -> Evidence:
    return _absurd(kind, 1e200, target=False)


def absurd_target(kind: str) -> Evidence:
    return _absurd(kind, 1e200, target=True, rows=40)


def all_but_overflowing(kind: str) -> Evidence:
    return _absurd(kind, 1.7e308, target=False, rows=ROWS)


def squares_that_fit_but_not_their_squares(kind: str) -> Evidence:
    return _absurd(kind, 1e120, target=False, rows=30)


def absurd_inputs(kind: str) -> Evidence:
    evidence = sample_evidence(kind, ROWS)
    columns = evidence.table("columns").to_pylist()
    absurd = [{**c, "total": 1e200 * (-1.0) ** i, "squares": float("inf")} for i, c in enumerate(columns)]
    absurd[0] |= {"total": float("inf")}
    absurd[1] |= {"total": 1.7e308}
    tables = {**evidence.tables, "columns": pa.Table.from_pylist(absurd)}
    return replace(evidence, tables=tables)


CASES: tuple[Callable[[str], Evidence], ...] = (
    one_class_group, absent_group, no_labels, unscored, labels_only, one_row, no_rows, no_train, only_train,
    no_sensitive, bare_tables, group_is_an_id, constant, problem, zero_weights, weighted,
    absurd_prediction, absurd_target, all_but_overflowing, squares_that_fit_but_not_their_squares, absurd_inputs,
)  # fmt: skip


def sound(finding: Finding) -> None:
    """What every finding holds to, whatever the data."""
    assert Finding.model_validate_json(finding.model_dump_json(by_alias=True)) == finding
    assert finding.title
    assert finding.status in (Status.INFO, Status.WARN, Status.SKIPPED)
    assert finding.gate is None
    if finding.value is None:
        assert finding.reason, finding.title
        assert finding.status is not Status.WARN
        assert finding.interval is None
    elif finding.sampled:
        assert finding.n, f"a value from no rows: {finding.title}"
        if finding.interval is None:
            assert finding.reason, finding.title
        else:
            low, high = finding.interval
            assert low <= finding.value <= high
            assert low < high, f"zero width: {finding.title}"
    else:
        assert finding.interval is None
    if finding.status is Status.WARN:
        assert finding.remedy, finding.title
        assert finding.affected, finding.title
        assert finding.explanation, finding.title
    for figure in finding.figures:
        assert figure.alt
        assert any(series.points for series in figure.series)
    for table in finding.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    text = " ".join(filter(None, (finding.title, finding.explanation, finding.remedy, finding.reason)))
    assert "None" not in text, text
    assert len(text) < 5000, "a number with hundreds of digits"
    assert "nan" not in text.split(), text


@cache
def full(kind: str) -> Evidence:
    return sample_evidence(kind, ROWS)


@pytest.mark.parametrize(("check", "kind"), EVERY, ids=IDS)
def test_findings_are_sound_and_the_same_again(check: str, kind: str) -> None:
    found = CHECKS.get(check)().run(full(kind))
    again = CHECKS.get(check)().run(sample_evidence(kind, ROWS))
    assert found == again
    for finding in found:
        sound(finding)
        assert finding.check == check


@pytest.mark.parametrize(("check", "kind"), EVERY, ids=IDS)
def test_what_is_offered_is_found_and_what_is_found_is_offered(check: str, kind: str) -> None:
    """Some of what is offered is found only where a gate asks for it: here gates ask for everything."""
    instance, evidence = CHECKS.get(check)(), full(kind)
    offers = instance.offers(evidence.task)
    assert {f.metric for f in instance.run(evidence) if f.status is not Status.SKIPPED} <= {o.metric for o in offers}
    every = [(o, class_) for o in offers for class_ in ((None, *evidence.task.classes) if o.class_ else (None,))]
    asked = tuple(Asked(check, offer.metric, "test", class_=class_) for offer, class_ in every)
    found = [f for f in instance.run(replace(evidence, asked=asked)) if f.status is not Status.SKIPPED]
    for finding in found:
        sound(finding)
    assert len({f.id for f in found}) == len(found)
    assert {f.metric for f in found} == {o.metric for o in offers}
    by_class = {o.metric for o in offers if o.class_}
    by_group = {o.metric for o in offers if o.group}
    by = {o.metric for o in offers if o.by}
    assert {f.metric for f in found if f.scope.class_ is not None} == by_class
    assert {f.metric for f in found if f.scope.attribute is not None} == by
    assert {f.metric for f in found if f.scope.groups is not None and f.scope.compared is None} == by_group


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_degenerate_evidence_gives_sound_findings(case: Callable[[str], Evidence], kind: str) -> None:
    evidence = case(kind)
    found = [f for check in CHECKS.names() for f in CHECKS.get(check)().run(evidence)]
    for finding in found:
        sound(finding)
    assert len({f.id for f in found}) == len(found), "ids must be unique within an audit"
    assert {f.check for f in found} == set(CHECKS.names()), "a check that says nothing looks like one that passed"


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_unique_within_an_audit(kind: str) -> None:
    found = [f for check in CHECKS.names() for f in CHECKS.get(check)().run(full(kind))]
    assert len({f.id for f in found}) == len(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", [no_labels, unscored, problem], ids=lambda case: case.__name__)
def test_no_value_comes_from_nothing(case: Callable[[str], Evidence], kind: str) -> None:
    """Without labels or predictions on test, nothing about the model on test has a value."""
    evidence = case(kind)
    label_free = {
        "unscored_rows", "distinct_predictions", "selection_rate", "demographic_parity_difference", "groups_found",
        "demographic_parity_ratio", "selection_rate_difference", "selection_rate_ratio", "unlabelled_rate",
        "unlabelled_rate_difference", "adverse_impact_ratio", "selection_rate_against_rest",
        "worst_subgroup_selection_rate", "subgroups_searched", "unsupported_subgroups",
    }  # fmt: skip
    checks = ("performance.summary", "generalization.gap", "overfitting.gap", "bias.groups", "calibration.reliability")
    for check in (*checks, "bias.intersections"):
        for finding in CHECKS.get(check)().run(evidence):
            if finding.scope.split == "test" and finding.metric not in label_free:
                assert finding.value is None, finding.title


@pytest.mark.parametrize("check", CHECKS.names())
def test_the_docstring_is_a_whole_page(check: str) -> None:
    sections = page(CHECKS.get(check))
    assert set(sections) == {"summary", "measures", "how", "assumptions", "reading", "source"}
    assert all(sections.values())
    assert "\n" not in sections["summary"]


@pytest.mark.parametrize("check", CHECKS.names())
def test_id_family_and_texts_fit(check: str) -> None:
    kind = CHECKS.get(check)
    assert kind.id == check
    assert check.partition(".")[0] in FAMILIES or not kind.__module__.startswith("auditkit.")
    assert kind.title
    assert all(isinstance(text, str) and text.strip() == text for text in kind.messages.values() if text[:1] != ",")
    # Every option has a default, and the defaults are what the plan leaves out.
    assert kind() == kind.model_validate({})


@pytest.mark.parametrize(("check", "kind"), EVERY, ids=IDS)
def test_undefined_values_do_not_warn_and_carry_their_group(check: str, kind: str) -> None:
    for finding in CHECKS.get(check)().run(absent_group(kind)):
        # A finding over all groups may name the absent one: it is the smallest of them.
        if finding.scope.groups == ("Nonbinary",) and finding.scope.compared is None:
            assert finding.value is None
            assert finding.reason is not None
            assert "Nonbinary" in finding.reason

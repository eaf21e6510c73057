"""No gate passes on nothing: every metric that can be gated, of every check and task, on evidence that shows nothing.

The bounds are such that any number at all would be inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from auditkit.checks.registry import CHECKS
from auditkit.core.evidence import Evidence
from auditkit.core.task import Offer
from auditkit.pipeline.doubts import doubts_about
from auditkit.pipeline.gates import judge
from auditkit.pipeline.plan import GateSpec
from auditkit.pipeline.suite import asked_by, limits_of
from tests.evidence import KINDS, Split, make_evidence, task_of
from tests.evidence_samples import every_table, sample_split

ROWS = 150
#: What the data says, with or without a model.
OF_DATA = ("bias.data", "data.integrity", "data.leakage")


def nothing(kind: str, values: np.ndarray) -> np.ndarray:
    return np.full_like(values, np.nan if kind == "regression" else -1)


def with_test(kind: str, test: Split, **more: object) -> Evidence:
    splits = {"train": sample_split(kind, ROWS, 5), "test": test}
    return make_evidence(task_of(kind), splits, tables=every_table(kind, test), **more)  # type: ignore[arg-type]


def no_rows(kind: str) -> Evidence:
    return with_test(kind, sample_split(kind, ROWS, 1).where(np.zeros(ROWS, dtype=bool)))


def unscored(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    scores = None if test.scores is None else np.full_like(test.scores, np.nan)
    return with_test(kind, replace(test, scores=scores, prediction=nothing(kind, test.prediction)))


def one_unscored(kind: str) -> Evidence:
    """A single row without an answer: what the model would have said there may be anything."""
    test = sample_split(kind, ROWS, 1)
    lost = np.arange(ROWS) == 7
    scores = None if test.scores is None else np.where(lost[:, None], np.nan, test.scores)
    prediction = np.where(lost, nothing(kind, test.prediction), test.prediction)
    return with_test(kind, replace(test, scores=scores, prediction=prediction))


def unlabelled(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    return with_test(kind, replace(test, target=nothing(kind, test.target)))


def no_weight(kind: str) -> Evidence:
    return with_test(kind, replace(sample_split(kind, ROWS, 1), weight=np.zeros(ROWS)))


def constant(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    scores = None if test.scores is None else np.tile(test.scores[:1], (ROWS, 1))
    return with_test(kind, replace(test, prediction=np.full_like(test.prediction, test.prediction[0]), scores=scores))


def unusable(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    lost = replace(test, prediction=nothing(kind, test.prediction), scores=None)
    return with_test(kind, replace(lost, problem="the column of predictions holds scores"))


def absent_group(kind: str) -> Evidence:
    return with_test(kind, sample_split(kind, ROWS, 1), declared={"sex": ("Female", "Male", "Nonbinary")})


def tiny_group(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    sex = ["Nonbinary" if row < 3 else group for row, group in enumerate(test.groups["sex"])]
    return with_test(kind, replace(test, groups={**test.groups, "sex": sex}))


def one_group(kind: str) -> Evidence:
    test = sample_split(kind, ROWS, 1)
    one = {**test.groups, "sex": ["Female"] * ROWS}
    train = replace(sample_split(kind, ROWS, 5), groups=one)
    return make_evidence(
        task_of(kind), {"train": train, "test": replace(test, groups=one)}, tables=every_table(kind, test)
    )


#: What needs no label: who is chosen, who has no label.
NO_LABEL = (
    "selection_rate",
    "demographic_parity",
    "statistical_parity",
    "adverse_impact",
    "unlabelled_rate",
    "mean_prediction",
)
#: What is counted, and rests on no row in particular.
COUNTED = {
    "unscored_rows",
    "distinct_predictions",
    "groups_found",
    "subgroups_searched",
    "small_cells",
    "infinite_values",
    "completeness_error_max",
}
#: What says of a group how many rows it has: of one without rows that is known.
PRESENCE = {"smallest_group_share", "group_share_change", "missing_group_rate"}
#: What says of all rows how far something goes with the groups: a small group hardly matters there.
OF_ALL_ROWS = {"label_association", "between_group_theil_index"}
Wanted = Callable[[str, Offer], bool]


def anything(check: str, offer: Offer) -> bool:
    return True


def of_the_model(check: str, offer: Offer) -> bool:
    return check not in OF_DATA


def of_labels(check: str, offer: Offer) -> bool:
    """Explanations are about answers, whatever was true."""
    explains = check.startswith("explainability")
    return check not in OF_DATA and not explains and not offer.metric.startswith(NO_LABEL)


def by_sex(check: str, offer: Offer) -> bool:
    return offer.by and offer.metric not in PRESENCE


def of_each_group(check: str, offer: Offer) -> bool:
    return by_sex(check, offer) and offer.metric not in OF_ALL_ROWS


def between_groups(check: str, offer: Offer) -> bool:
    return by_sex(check, offer) and not offer.group


CASES: list[tuple[Callable[[str], Evidence], Wanted, str | None]] = [
    (no_rows, anything, None),
    (unscored, of_the_model, None),
    (one_unscored, of_the_model, None),
    (unlabelled, of_labels, None),
    (no_weight, of_the_model, None),
    (constant, of_the_model, None),
    (unusable, of_the_model, None),
    (absent_group, by_sex, "sex"),
    (tiny_group, of_each_group, "sex"),
    (one_group, between_groups, "sex"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("make", "wanted", "by"), CASES, ids=[case[0].__name__ for case in CASES])
def test_no_pass_on_what_shows_nothing(
    kind: str, make: Callable[[str], Evidence], wanted: Wanted, by: str | None
) -> None:
    evidence = make(kind)
    judged, passed = 0, set()
    for name in CHECKS.names():
        check = CHECKS.get(name)()
        if not all(evidence.has(need) for need in check.needs):
            continue
        gates = [
            gate for offer in check.offers(evidence.task) if wanted(name, offer) for gate in _gates(name, offer, by)
        ]
        asked = replace(evidence, asked=asked_by(gates), _outcomes={}, _groups={})
        findings, doubts, limits = check.run(asked), doubts_about(asked), limits_of([check], evidence.task)
        for gate in gates:
            judged += 1
            judgement = judge([gate], findings, doubts=doubts, limits=limits, allow_inconclusive=True)
            if judgement.exit_code == 0:
                passed.add((name, gate.metric))
    assert judged > 20
    assert not {(name, metric) for name, metric in passed if metric not in COUNTED}


def _gates(name: str, offer: Offer, by: str | None) -> Iterator[GateSpec]:
    for bound in ({"max": 1e300}, {"min": -1e300}):
        yield GateSpec.model_validate({"check": name, "metric": offer.metric, "by": by, **bound})

"""`bias.data` against pandas and scipy, planted gaps and their clean twins, and its false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from auditkit.checks.bias.data import BiasData
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from tests.evidence import Split, make_evidence, task_of
from tests.evidence_samples import sample_evidence, sample_split


def of(
    found: list[Finding],
    metric: str,
    by: str = "sex",
    split: str = "train",
    group: str | None = None,
    class_: str | None = None,
) -> Finding:
    (finding,) = [
        f
        for f in found
        if (f.metric, f.scope.attribute, f.scope.split, f.scope.class_) == (metric, by, split, class_)
        and (group is None or f.scope.groups == (group,))
        and (group is None) == (f.scope.compared is not None or f.scope.groups is None)
    ]
    return finding


def drawn(
    rows: int, women: float = 0.5, hired: Mapping[str, float] | None = None, seed: int = 0, missing: float = 0.0
) -> Split:
    """`women` are that share of the rows; `hired` is the chance of the favourable label by sex; of the labels of
    women the share `missing` is not known."""
    rng = np.random.default_rng(seed)
    sex = np.where(rng.random(rows) < women, "Female", "Male")
    chance = np.array([(hired or {}).get(s, 0.4) for s in sex])
    target = (rng.random(rows) < chance).astype(np.int64)
    target[(sex == "Female") & (rng.random(rows) < missing)] = -1
    return Split(target, rng.integers(0, 2, rows), groups={"sex": sex.tolist()})


def audit(train: Split, test: Split | None = None, kind: str = "binary", **more: Any) -> list[Finding]:
    splits = {"train": train, **({} if test is None else {"test": test})}
    return BiasData().run(make_evidence(task_of(kind, "labels" if kind == "binary" else None), splits, **more))


def warned(found: list[Finding]) -> set[tuple[str, str | None]]:
    return {(f.metric, f.scope.split) for f in found if f.status is Status.WARN}


def test_shares_and_label_rates_are_those_of_pandas() -> None:
    evidence = sample_evidence("binary", 900, 3)
    found = BiasData().run(evidence)
    for split in ("train", "test"):
        outcomes, groups = evidence.outcomes(split), evidence.groups(split, "race")
        frame = pd.DataFrame({"race": [groups.labels[c] for c in groups.codes], "target": outcomes.target})
        known = frame[frame.target >= 0]
        label, share = (known.target == 1).groupby(known.race).mean(), frame.race.value_counts(normalize=True)
        for group in groups.labels:
            assert of(found, "group_share", "race", split, group).value == pytest.approx(share[group])
            assert of(found, "label_rate", "race", split, group).value == pytest.approx(label[group])
            unlabelled = (frame[frame.race == group].target < 0).mean()
            assert of(found, "unlabelled_rate", "race", split, group).value == pytest.approx(unlabelled)
        assert of(found, "smallest_group_share", "race", split).value == pytest.approx(share.min())
        assert of(found, "missing_group_rate", "race", split).value == pytest.approx(share["(missing)"])
        gap = of(found, "label_rate_difference", "race", split)
        assert gap.value == pytest.approx(label.max() - label.min())
        assert gap.scope.groups == (label.idxmax(), label.idxmin())
        assert of(found, "label_rate_ratio", "race", split).value == pytest.approx(label.min() / label.max())
        counts = pd.crosstab(known.race, known.target)
        assert of(found, "small_cells", "race", split).value == int((counts < 10).sum().sum())


def test_representation_against_a_population() -> None:
    found = audit(drawn(2000, women=0.3), population={"sex": {"Female": 0.51, "Male": 0.49}})
    share = of(found, "group_share", group="Female").value
    assert share is not None
    ratio = of(found, "representation_ratio", group="Female")
    assert ratio.value == pytest.approx(share / 0.51)
    wilson = stats.binomtest(round(share * 2000), 2000).proportion_ci(method="wilson")
    assert ratio.interval == pytest.approx((wilson.low / 0.51, wilson.high / 0.51), rel=1e-9)
    assert of(found, "representation_difference").value == pytest.approx(0.51 - share)
    lowest = of(found, "lowest_representation_ratio")
    assert lowest.value == pytest.approx(share / 0.51)
    assert lowest.scope.groups == ("Female",)
    assert lowest.status is Status.WARN
    expected = [2000 * 0.51, 2000 * 0.49]
    seen = [round(share * 2000), 2000 - round(share * 2000)]
    g = stats.power_divergence(seen, expected, lambda_="log-likelihood")
    assert f"G² = {g.statistic:.0f} with 1 degrees of freedom over 2,000 rows, p below 0.0001" in lowest.explanation


def test_a_data_set_like_its_population_is_not_warned_of() -> None:
    assert not warned(audit(drawn(2000, women=0.51), population={"sex": {"Female": 0.51, "Male": 0.49}}))


def test_a_group_that_no_row_has_is_the_most_under_represented() -> None:
    found = audit(drawn(500), population={"sex": {"Female": 0.5, "Male": 0.4, "Nonbinary": 0.1}})
    lowest = of(found, "lowest_representation_ratio")
    assert (lowest.value, lowest.scope.groups, lowest.status) == (0.0, ("Nonbinary",), Status.WARN)
    assert of(found, "representation_ratio", group="Nonbinary").value is None


def test_rows_of_groups_that_the_population_lacks_are_left_out_and_told() -> None:
    split = drawn(1000)
    sex = ["Unknown" if i % 10 == 0 else s for i, s in enumerate(split.groups["sex"])]
    found = audit(replace(split, groups={"sex": sex}), population={"sex": {"Female": 0.5, "Male": 0.5}})
    women = sex.count("Female") / (sex.count("Female") + sex.count("Male"))
    assert of(found, "representation_ratio", group="Female").value == pytest.approx(women / 0.5)
    assert (
        "100 rows of groups that the population does not name are left out"
        in of(found, "lowest_representation_ratio").explanation
    )
    reason = of(found, "representation_ratio", group="Unknown").reason
    assert reason == "the population that the plan gives has no share of 'Unknown'"


def test_without_a_population_one_finding_says_so() -> None:
    found = audit(drawn(300))
    (skipped,) = [f for f in found if f.status is Status.SKIPPED]
    assert "no population for 'sex'" in (skipped.reason or "")
    assert not [f for f in found if f.metric.startswith(("representation", "lowest"))]


def test_label_bias_is_warned_of_where_it_is_learnt_from() -> None:
    hired = {"Female": 0.2, "Male": 0.5}
    found = audit(drawn(2000, hired=hired), drawn(1000, hired=hired, seed=1))
    assert warned(found) == {("label_rate_ratio", "train")}
    finding = of(found, "label_rate_ratio")
    assert "29 CFR 1607.4(D)" in finding.explanation
    assert finding.affected == "sex 'Female' on train"
    assert finding.figures
    test = of(found, "label_rate_ratio", split="test")
    assert test.status is Status.INFO
    assert test.interval is not None
    assert test.interval[1] < 0.8, "the same bias is there, and can be gated"
    # Without a train split, the one that there is stands for what was learnt.
    only = make_evidence(task_of("binary", "labels"), {"test": drawn(2000, hired=hired)})
    assert warned(BiasData().run(only)) == {("label_rate_ratio", "test")}


def test_equal_labels_are_not_warned_of() -> None:
    assert not warned(audit(drawn(2000), drawn(1000, seed=1)))


def test_a_change_of_shares_between_train_and_test_is_warned_of() -> None:
    found = audit(drawn(2000, women=0.5), drawn(1500, women=0.25, seed=1))
    assert warned(found) == {("group_share_change", "test")}
    change = of(found, "group_share_change", split="test")
    shares = [of(found, "group_share", split=split, group="Female").value or 0 for split in ("train", "test")]
    assert change.value == pytest.approx(shares[0] - shares[1])


def test_labels_that_are_missing_for_some_are_warned_of() -> None:
    found = audit(drawn(2000, missing=0.4))
    assert ("unlabelled_rate_difference", "train") in warned(found)
    assert of(found, "unlabelled_rate_difference").affected == "sex 'Female' on train"


def test_each_label_of_several_has_its_rate() -> None:
    split = sample_split("multiclass", 2000, 1)
    women = np.array(split.groups["sex"]) == "Female"
    target = np.where(women & (np.random.default_rng(0).random(2000) < 0.5), 2, split.target)
    found = audit(replace(split, target=target), kind="multiclass")
    gap = of(found, "label_rate_difference", class_="z")
    assert gap.value == pytest.approx((target[women] == 2).mean() - (target[~women] == 2).mean())
    assert gap.status is Status.WARN
    assert not [f for f in found if f.metric == "label_rate_ratio" and f.status is Status.WARN]


def test_means_of_a_number_by_group() -> None:
    split = sample_split("regression", 2000, 1)
    women = np.array(split.groups["sex"]) == "Female"
    found = audit(replace(split, target=split.target + np.where(women, 10.0, 0.0)), kind="regression")
    gap = of(found, "mean_target_difference")
    assert gap.value == pytest.approx(split.target[women].mean() + 10 - split.target[~women].mean())
    assert gap.status is Status.WARN
    assert "Cohen (1988" in gap.explanation
    assert not warned(audit(split, kind="regression"))
    assert not [f for f in found if f.metric in ("label_association", "small_cells")]


def test_association_is_that_of_scipy_for_many_rows_and_zero_for_none() -> None:
    split = drawn(20_000, hired={"Female": 0.2, "Male": 0.5})
    table = pd.crosstab(pd.Series(split.groups["sex"]), split.target)
    found = of(audit(split), "label_association")
    assert found.value == pytest.approx(stats.contingency.association(table, method="cramer"), abs=1e-3)
    assert found.interval is not None
    assert found.interval[1] - found.interval[0] < 0.04
    none = of(audit(drawn(2000)), "label_association")
    assert none.value == pytest.approx(0, abs=0.04)
    assert none.interval is not None
    assert none.interval[0] == 0 < none.interval[1]


def test_small_cells_are_counted_and_named() -> None:
    split = drawn(400)
    women = np.flatnonzero(np.array(split.groups["sex"]) == "Female")
    target = split.target.copy()
    target[women] = 0
    target[women[:3]] = 1
    finding = of(audit(replace(split, target=target)), "small_cells")
    assert finding.value == 1
    assert "'Female' with 'yes' 3 rows" in finding.explanation
    assert not finding.sampled


def test_an_id_column_has_no_shares_and_says_why() -> None:
    split = drawn(200)
    found = audit(
        replace(split, groups={"sex": [f"person {i}" for i in range(200)]}), replace(split, groups={"sex": ["x"] * 200})
    )
    for metric in ("smallest_group_share", "label_rate_difference", "label_association", "small_cells"):
        assert "names rows rather than groups" in (of(found, metric).reason or ""), metric
    assert not [f for f in found if f.metric == "group_share" and f.scope.split == "train"]


def test_weights_count_as_in_a_population() -> None:
    split = drawn(2000, women=0.25)
    weight = np.where(np.array(split.groups["sex"]) == "Female", 3.0, 1.0)
    found = audit(replace(split, weight=weight), population={"sex": {"Female": 0.5, "Male": 0.5}})
    share = of(found, "group_share", group="Female")
    assert share.value == pytest.approx(np.average(np.array(split.groups["sex"]) == "Female", weights=weight))
    assert "effective rows" in (share.method or "")
    assert not warned(found)


def test_a_row_with_a_count_is_worth_its_copies() -> None:
    split = drawn(300, hired={"Female": 0.2, "Male": 0.5})
    times = np.random.default_rng(8).integers(1, 5, len(split))
    evidence = make_evidence(task_of("binary", "labels"), {"train": split})
    whole = make_evidence(task_of("binary", "labels"), {"train": split.where(np.repeat(np.arange(300), times))})
    assert BiasData().run(_counted(evidence, times)) == BiasData().run(whole)


def _counted(evidence: Evidence, times: Any) -> Evidence:
    return replace(
        evidence,
        load_outcomes=lambda name: replace(evidence.outcomes(name), count=times),
        load_groups=lambda name, column: replace(evidence.groups(name, column), count=times),
        _outcomes={},
        _groups={},
    )


@pytest.mark.slow
def test_chance_seldom_warns() -> None:
    """200 data sets whose groups are those of the population and labelled alike, with no tolerance at all."""
    alarms = 0
    strict = BiasData(tolerance=0.0, ratio_tolerance=1.0)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        groups = list("abcdefghij")[: int(rng.choice([2, 3, 10]))]
        share = rng.dirichlet(np.full(len(groups), 5.0))
        splits = {}
        for name, rows in (("train", 1000), ("test", int(rng.choice([100, 1000])))):
            column = rng.choice(groups, rows, p=share).tolist()
            labels = (rng.random(rows) < 0.3).astype(np.int64)
            labels[rng.random(rows) < 0.05] = -1
            splits[name] = Split(labels, rng.integers(0, 2, rows), groups={"g": column})
        population = {"g": dict(zip(groups, share.tolist(), strict=True))}
        evidence = make_evidence(task_of("binary", "labels"), splits, population=population)
        alarms += bool(warned(strict.run(evidence)))
    assert alarms <= 10

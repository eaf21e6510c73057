"""What `bias.groups` says could hide, against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from auditkit.checks.bias.comparison import compare
from auditkit.checks.bias.groups import BiasGroups
from auditkit.checks.bias.reach import reach
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.task import GapRule
from auditkit.measures.gaps import gap
from tests.checks.test_bias import of
from tests.evidence import Split, make_evidence, task_of


def _hits(seed: int, sizes: tuple[int, ...], tpr: np.ndarray, copies: int) -> Split:
    """Half of the rows are positive; `tpr` by group, a false positive rate of 0.2; rows come `copies` to a cluster."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    target = rng.permuted(np.arange(len(group)) % 2)
    chosen = rng.random(len(group)) < np.where(target == 1, tpr[group], 0.2)
    one = {"target": target, "prediction": chosen.astype(np.int64), "group": group}
    all_ = {name: np.repeat(values, copies) for name, values in one.items()}
    cluster = np.repeat(np.arange(len(group)), copies) if copies > 1 else None
    names = {"sex": [f"g{g}" for g in all_["group"]]}
    return Split(all_["target"], all_["prediction"], groups=names, cluster=cluster)


@pytest.mark.parametrize("metric", ["equalized_odds_difference", "true_positive_rate_difference"])
@pytest.mark.parametrize(
    ("sizes", "copies"), [((300, 300), 1), ((300, 300), 4), ((100, 1600), 1), ((160, 600, 500), 1)]
)
def test_the_gap_that_is_said_to_be_shown_is_shown_four_times_out_of_five(
    metric: str, sizes: tuple[int, ...], copies: int
) -> None:
    """Equalized odds shares its confidence over two rates; copies of a row are no evidence; the largest group is
    little help to the two smallest."""
    equal = np.full(len(sizes), 0.7)
    (rule,) = [r for r in task_of("binary").gap_rules() if r.name == metric]
    reaches = []
    for seed in range(8):
        seen = compare(_evidence(_hits(seed, sizes, equal, copies)), "test", "sex", 10)
        reaches.append(reach(seen, rule, seen.at(rule, 0.95)))
    delta = float(np.mean([r.detectable for r in reaches if r is not None]))
    # The smallest group moves towards 0.5, where the variance, and so the gap that can hide, is largest; a third group
    # stands between the two, where it is little help.
    moved = equal - delta * np.array([1.0, 0.25, 0.0] if len(sizes) == 3 else [1.0, 0.0])
    shown = [(_gap(rule, _hits(seed, sizes, moved, copies)).low or 0.0) > 0 for seed in range(100, 400)]
    assert 0.75 <= np.mean(shown) <= 0.9


def _evidence(split: Split) -> Evidence:
    return make_evidence(task_of("binary"), {"test": split})


def _gap(rule: GapRule, split: Split) -> Estimate:
    evidence = _evidence(split)
    outcomes = evidence.outcomes("test")
    statistics = evidence.task.statistics(outcomes)
    return gap(rule, statistics, evidence.groups("test", "sex"), outcomes.design).estimate


def test_between_which_groups_a_gap_can_hide_is_said() -> None:
    found = BiasGroups().run(_evidence(_hits(0, (120, 2000, 400), np.full(3, 0.7), 1)))
    assert "Between the two smallest groups a true gap of" in of(found, "equal_opportunity_difference").explanation
    tiny = BiasGroups().run(_evidence(_hits(0, (4, 3), np.full(2, 0.7), 1)))
    assert "even the largest gap can go unseen" in of(tiny, "equal_opportunity_difference").explanation

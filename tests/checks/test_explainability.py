"""`explainability.attribution` against planted importances, and explanations that do not beat chance."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from auditkit.checks.explainability.attribution import ExplainabilityAttribution
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from tests.evidence import KINDS, make_evidence, task_of, without
from tests.evidence_samples import (
    attributions_table,
    deletion_table,
    permutations_table,
    sample_evidence,
    sample_split,
)


def run(evidence: Evidence) -> list[Finding]:
    return ExplainabilityAttribution().run(evidence)


def of(found: list[Finding], metric: str, feature: str | None = None) -> Finding:
    (finding,) = [f for f in found if f.metric == metric and f.scope.feature == feature]
    return finding


def with_tables(kind: str = "binary", rows: int = 80, **tables: pa.Table) -> Evidence:
    return make_evidence(task_of(kind), {"test": sample_split(kind, rows, 1)}, tables=tables)


def test_importances_are_means_over_rows_with_t_intervals_most_important_first() -> None:
    rng = np.random.default_rng(0)
    value = rng.normal([0.2, -3.0, 0.0], 0.5, (50, 3))
    found = run(with_tables(attributions=attributions_table("test", value, np.zeros(50))))
    size = of(found, "attribution_mean_absolute", "b")
    values = np.abs(value[:, 1])
    assert size.value == pytest.approx(values.mean())
    assert size.interval == pytest.approx(stats.t.interval(0.95, 49, values.mean(), stats.sem(values)))
    assert of(found, "attribution_mean", "b").value == pytest.approx(value[:, 1].mean())
    (figure,) = size.figures
    assert [p.label for p in figure.series[0].points] == ["b", "a", "c"]


def test_completeness_error_is_relative_and_warned_of_beyond_five_percent() -> None:
    value, rows = np.tile([2.0, -1.0, 1.0], (40, 1)), np.arange(40)
    good = run(with_tables(attributions=attributions_table("test", value, np.where(rows % 2, 0.04, -0.08))))
    assert of(good, "completeness_error").value == pytest.approx((0.01 + 0.02) / 2)
    assert of(good, "completeness_error_max").value == pytest.approx(0.02)
    assert of(good, "completeness_error").status is Status.INFO
    bad = run(with_tables(attributions=attributions_table("test", value, np.where(rows % 2, 0.4, 0.8))))
    assert of(bad, "completeness_error").status is Status.WARN


@pytest.mark.parametrize("kind", KINDS)
def test_permuting_what_the_model_reads_costs_and_the_rest_does_not(kind: str) -> None:
    found = run(sample_evidence(kind, 300))
    used = of(found, "permutation_importance", "a")
    assert used.interval is not None
    assert used.interval[0] > 0
    for feature in ("b", "c"):
        unused = of(found, "permutation_importance", feature)
        assert unused.value == pytest.approx(0, abs=1e-12)


def test_permutation_importance_is_the_mean_rise_of_the_log_loss() -> None:
    test = sample_split("binary", 80, 1)
    assert test.scores is not None
    rng = np.random.default_rng(7)
    table = permutations_table("test", test.scores, rng, repeats=2)
    found = run(with_tables(permutations=table))
    frame = table.to_pandas().query("feature == 'a'")
    own = -np.log(test.scores[np.arange(80), test.target])
    changed = -np.log(frame[["output:0", "output:1"]].to_numpy()[np.arange(160), test.target[frame["row"]]])
    expected = changed.mean() - own.mean()
    assert of(found, "permutation_importance", "a").value == pytest.approx(expected)
    assert of(found, "permutation_importance", "a").n == 80


def test_of_a_model_that_gives_labels_the_importance_is_the_loss_of_accuracy() -> None:
    split = sample_split("binary", 80, 1, scored=False)
    keys = {"split": ["test"] * 80, "row": np.arange(80), "feature": ["a"] * 80, "repeat": [0] * 80}
    flipped = [("no", "yes")[1 - code] for code in split.prediction]
    evidence = make_evidence(
        task_of("binary", "labels"), {"test": split}, tables={"permutations": pa.table({**keys, "label": flipped})}
    )
    finding = of(run(evidence), "permutation_importance", "a")
    assert finding.value == pytest.approx(2 * (split.target == split.prediction).mean() - 1)
    assert "less accuracy" in finding.title


def test_an_explanation_that_beats_random_is_supported() -> None:
    value = np.random.default_rng(0).normal(1, 0.1, (60, 3))
    deletion = deletion_table("test", 60, gain=0.2, rng=np.random.default_rng(1))
    found = run(with_tables(attributions=attributions_table("test", value, np.zeros(60)), deletion=deletion))
    gain = of(found, "deletion_gain_over_random")
    assert gain.interval is not None
    # The curve is lower by 0.2 in the middle of three steps: half of that in area.
    assert gain.interval[0] < 0.1 < gain.interval[1]
    assert gain.status is Status.INFO
    assert "supports" in of(found, "attribution_mean_absolute", "a").explanation
    (figure,) = gain.figures
    assert {s.name for s in figure.series} == {"explanation", "random"}


@pytest.mark.parametrize("gain", [0.0, -0.2])
def test_one_that_does_not_beat_random_says_so(gain: float) -> None:
    value = np.random.default_rng(0).normal(1, 0.1, (60, 3))
    deletion = deletion_table("test", 60, gain=gain, rng=np.random.default_rng(1))
    found = run(with_tables(attributions=attributions_table("test", value, np.zeros(60)), deletion=deletion))
    finding = of(found, "deletion_gain_over_random")
    assert finding.status is Status.WARN
    assert "not supported by evidence" in finding.explanation
    assert "unproven" in of(found, "attribution_mean_absolute", "a").explanation


def test_without_any_table_it_is_skipped_with_both_reasons() -> None:
    evidence = without(sample_evidence("binary", 60), "attributions", "permutations", "deletion", reason="no gradients")
    (finding,) = run(evidence)
    assert finding.status is Status.SKIPPED
    assert (finding.reason or "").count("no gradients") == 2


def test_what_is_missing_beside_what_is_there_is_told() -> None:
    found = run(without(sample_evidence("binary", 60), "attributions", reason="a black box"))
    assert [f.reason for f in found if f.status is Status.SKIPPED] == ["a black box"]
    # The deletion test then tried the order of the permutations.
    assert "deletion test supports" in of(found, "permutation_importance", "a").explanation

import itertools
import re

import pytest

from auditkit.core.figure import Axis, Figure, Point, Series, Table
from auditkit.core.finding import Finding, Scope
from auditkit.report.privacy import min_cell, protect
from tests.report.sample import finding, sample_audit

GROUP = Scope(split="test", attribute="race", groups=("Tiny",))
COMPILE = re.compile


def rate(metric: str, n: int, scope: Scope = GROUP, **fields) -> Finding:
    return finding("bias.groups", metric, scope, value=2 / 3, interval=(0.2, 0.94), n=n, **fields)


def gap(metric: str, pair: tuple[str, str], **fields) -> Finding:
    scope = Scope(split="test", attribute="race", groups=pair, compared=("Big", "Other", "Tiny"))
    return finding("bias.groups", metric, scope, **{"value": 0.4, "interval": (0.1, 0.7), "n": 900, **fields})


def protected(*findings: Finding) -> tuple[Finding, ...]:
    return protect(sample_audit(findings=findings)).findings


@pytest.mark.parametrize(("n", "shown"), [(1, False), (4, False), (5, True), (900, True)])
def test_a_rate_is_shown_from_five_rows_on(n: int, shown: bool) -> None:
    (found,) = protected(rate("accuracy", n, title="66.7% of 3 rows"))
    assert (found.value is not None) is shown
    assert (found.interval is not None) is shown
    if not shown:
        assert found.n is None
        assert "66.7" not in found.title


def test_an_empty_denominator_in_a_small_group_tells_nothing() -> None:
    """Three rows of which none has the label: then all three have the other one."""
    empty = finding("bias.groups", "true_positive_rate", GROUP, n=0, reason="there are no rows with the label 'yes'")
    found = protected(rate("accuracy", 3), empty)
    assert all("label" not in (f.reason or "") for f in found)
    (alone,) = protected(empty)
    assert alone.reason == "there are no rows with the label 'yes'"


@pytest.mark.parametrize("pair", [("Tiny", "Big"), ("Big", "Tiny")])
def test_a_gap_from_or_to_a_small_group_would_tell_its_rate(pair: tuple[str, str]) -> None:
    found = protected(rate("accuracy", 3), gap("accuracy_difference", pair))[1]
    assert found.value is None
    assert found.scope.groups is None
    assert "Tiny" not in found.title


def test_gaps_between_large_groups_are_shown() -> None:
    found = protected(rate("accuracy", 3), gap("accuracy_difference", ("Big", "Other")))[1]
    assert found.value == 0.4


def test_a_rate_that_is_small_in_a_large_group_hides_only_what_is_made_of_it() -> None:
    big = Scope(split="test", attribute="race", groups=("Big",))
    _, _, tpr, odds, parity = protected(
        rate("accuracy", 300, big),
        rate("true_positive_rate", 3, big),
        gap("equal_opportunity_difference", ("Big", "Other")),
        gap("equalized_odds_difference", ("Big", "Other")),
        gap("demographic_parity_difference", ("Big", "Other")),
    )
    assert tpr.value is None
    assert odds.value is None
    assert parity.value == 0.4


def test_prose_does_not_tell_the_count() -> None:
    told = gap(
        "accuracy_difference", ("Big", "Other"), explanation="'Tiny' has 3 rows; sizes: Big 897, Tiny 3, Other 12."
    )
    found = protected(rate("accuracy", 3), told)[1]
    assert "3 rows" not in found.explanation
    assert "Tiny 3" not in found.explanation
    assert "Big 897" in found.explanation
    assert "Other 12" in found.explanation


@pytest.mark.parametrize("n", [1, 3, 4])
def test_figures_and_tables_lose_small_rows(n: int) -> None:
    points = (Point(label="Big", x=0.5, low=0.4, high=0.6, n=900), Point(label="Tiny", x=0.66, low=0.2, high=0.9, n=n))
    figure = Figure(kind="intervals", title="Rates", alt="Tiny 0.66", x=Axis(label=""), y=Axis(label=""),
                    series=(Series(name="s", points=points),))  # fmt: skip
    table = Table(title="t", columns=("group", "rows", "rate"), rows=(("Big", 900, 0.5), ("Tiny", n, 0.66)))
    scope = Scope(split="test", attribute="race")
    (found,) = protected(finding("other.check", "accuracy", scope, value=0.5, figures=(figure,), tables=(table,)))
    kept, lost = found.figures[0].series[0].points
    assert kept.x == 0.5
    assert (lost.x, lost.low, lost.high, lost.n) == (None, None, None, None)
    assert "0.66" not in found.figures[0].alt
    assert found.tables[0].rows == (("Big", 900, 0.5), ("Tiny", "fewer than 5 rows", "not shown"))


def confusion(group: str, counts: tuple[int, int, int, int], attribute: str = "age") -> dict[str, Finding]:
    """The rates of a group that has so many true positives, false negatives, false positives and true negatives."""
    tp, fn, fp, tn = counts
    shares = {
        "accuracy": (tp + tn, sum(counts)),
        "selection_rate": (tp + fp, sum(counts)),
        "true_positive_rate": (tp, tp + fn),
        "false_negative_rate": (fn, tp + fn),
        "false_positive_rate": (fp, fp + tn),
        "true_negative_rate": (tn, fp + tn),
        "positive_predictive_value": (tp, tp + fp),
        "negative_predictive_value": (tn, fn + tn),
        "log_loss": (1, sum(counts)),
    }
    scope = Scope(split="test", attribute=attribute, groups=(group,))
    return {
        metric: finding("bias.groups", metric, scope, value=k / n if n else None, n=n, sampled=bool(n),
                        interval=(0.0, 1.0) if n else None, reason=None if n else "there are no such rows",
                        title=f"{metric} of {attribute} '{group}' on test: {k} of {n}")
        for metric, (k, n) in shares.items()
    }  # fmt: skip


def candidates(shown: dict[str, tuple[float, int]], n: int) -> set[float]:
    """Every false positive rate that agrees with what is shown of a group of n rows: all confusion tables are tried."""
    found = set()
    for tp, fn, fp in itertools.product(range(n + 1), repeat=3):
        tn = n - tp - fn - fp
        if tn >= 0 and fp + tn > 0:
            told = confusion("g", (tp, fn, fp, tn))
            if all(told[m].n == size and abs((told[m].value or 0) - v) < 5e-4 for m, (v, size) in shown.items()):
                found.add(fp / (fp + tn))
    return found


def test_a_hidden_rate_can_not_be_worked_out_from_the_rest_of_its_group() -> None:
    """23 rows, of which 3 lack the label: accuracy and true positive rate together tell how those 3 fared."""
    rates = confusion("60+", (14, 6, 3, 0))
    told = {m: (f.value or 0.0, f.n or 0) for m, f in rates.items()}
    assert len(candidates({m: told[m] for m in ("accuracy", "true_positive_rate")}, 23)) == 1
    found = protected(*rates.values(), *confusion("25-59", (100, 20, 40, 60)).values())
    shown = {f.metric: (f.value, f.n or 0) for f in found[: len(rates)] if f.value is not None}
    assert set(shown) == {"selection_rate"}
    assert len(candidates(shown, 23)) > 10
    assert all(f.value is not None for f in found[len(rates) :])


def test_a_group_that_gets_one_answer_tells_all_its_rates() -> None:
    """All 23 rows are selected, so the 3 without the label are, too."""
    rates = confusion("60+", (20, 0, 3, 0))
    pair = Scope(split="test", attribute="age", groups=("60+", "25-59"), compared=("25-59", "60+"))
    parity = finding("bias.groups", "demographic_parity_ratio", pair, value=0.8, interval=(0.7, 0.9), n=400)
    assert [f.value for f in protected(*rates.values(), parity)] == [None] * (len(rates) + 1)


def test_reasons_say_what_is_small() -> None:
    rates = confusion("60+", (14, 6, 3, 0)).values()
    by = {f.metric: f for f in protected(*rates)}
    assert by["false_positive_rate"].reason.startswith("Not shown: it rests on fewer than 5 rows")
    assert "with what else is shown of this group" in by["accuracy"].reason
    pair = Scope(split="test", attribute="age", groups=("60+", "25-59"), compared=("25-59", "60+"))
    odds, accuracy, parity, none = protected(
        *rates,
        *(finding("bias.groups", f"{m}_difference", pair, value=0.3, interval=(0.0, 0.5), n=400)
          for m in ("equalized_odds", "accuracy", "demographic_parity")),
        finding("bias.groups", "equal_opportunity_difference", pair.model_copy(update={"groups": None}), n=400,
                reason="there are no rows with the label 'good' in group '60+'"),
    )[len(rates) :]  # fmt: skip
    assert "a rate behind it rests on fewer than 5 rows (those with one of the labels" in odds.reason
    assert "one of the groups has fewer" not in odds.reason
    assert "would tell a rate" in accuracy.reason
    assert parity.value == 0.3
    assert none.reason == "Not shown: too few rows to show."


def test_one_small_class_takes_a_second_one_with_it() -> None:
    sizes = {"a": 40, "b": 3, "c": 9, "d": 30}
    scope = Scope(split="test", attribute="sex", groups=("f",))
    recalls = [
        finding("bias.groups", "true_positive_rate", scope.model_copy(update={"class_": c}), value=0.5,
                interval=(0.1, 0.9), n=n)
        for c, n in sizes.items()
    ]  # fmt: skip
    found = protected(finding("bias.groups", "accuracy", scope, value=0.5, interval=(0.4, 0.6), n=82), *recalls)
    assert [f.value is None for f in found] == [False, False, True, True, False]


def test_curves_of_a_group_whose_rates_are_hidden_are_not_drawn() -> None:
    """A reliability curve tells labels by score: with a threshold, the confusion table."""

    def series(name: str) -> Series:
        return Series(name=name, points=(Point(x=0.7, y=0.87, low=0.7, high=0.9, n=23),))

    figure = Figure(kind="reliability", title="Reliability by age on test", alt="60+: 87%", x=Axis(label=""),
                    y=Axis(label=""), series=(series("60+"), series("25-59")))  # fmt: skip
    whole = finding("calibration.reliability", "expected_calibration_error", Scope(split="test"), value=0.1,
                    interval=(0.0, 0.2), n=400, figures=(figure,))  # fmt: skip
    found = protected(whole, *confusion("60+", (14, 6, 3, 0)).values())[0].figures[0]
    assert [s.points[0].y for s in found.series] == [None, 0.87]
    assert "87" not in found.alt


def test_tables_that_repeat_the_findings_on_groups_are_dropped() -> None:
    table = Table(title="Groups of age on test", columns=("group", "rows", "fpr"), rows=(("60+", 23, 1.0),))
    assert protected(rate("accuracy", 900, tables=(table,)))[0].tables == ()


def test_prose_about_other_things_keeps_its_numbers_but_not_those_of_hidden_groups() -> None:
    scope = Scope(split="test", attribute="age")
    told = finding(
        "other.check", "groups_found", scope, value=2, explanation="'60+' 69.6%, '25-59' 71.2%, 60+: 23 rows"
    )
    found = protected(told, *confusion("60+", (14, 6, 3, 0)).values())[0]
    assert found.explanation == "'60+' not shown, '25-59' 71.2%, 60+: 23 rows"


def test_thousands_of_groups_share_the_pattern_of_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    monkeypatch.setattr("auditkit.report.privacy.re.compile", lambda *args: compiled.append(args) or COMPILE(*args))
    rates = [
        rate("accuracy", 3 if i % 2 else 50, Scope(split="test", attribute="zip", groups=(f"z{i}",)))
        for i in range(300)
    ]
    assert sum(f.value is None for f in protected(*rates)) == 150
    assert sum("z299" in pattern for pattern, *_ in compiled) == 2


@pytest.mark.parametrize(
    ("asked", "least"), [({"min_cell": 12}, 12), ({}, 5), ({"min_cell": 0}, 5), ({"min_cell": True}, 5), ("x", 5)]
)
def test_min_cell_comes_from_the_plan(asked: object, least: int) -> None:
    assert min_cell(sample_audit(plan={"report": asked})) == least
    assert min_cell(sample_audit(plan={})) == 5

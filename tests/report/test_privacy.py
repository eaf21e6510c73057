import pytest

from auditkit.core.figure import Axis, Figure, Point, Series, Table
from auditkit.core.finding import Finding, Scope
from auditkit.report.privacy import min_cell, protect
from tests.report.sample import finding, sample_audit

GROUP = Scope(split="test", attribute="race", groups=("Tiny",))


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
    (found,) = protected(rate("accuracy", 900, figures=(figure,), tables=(table,)))
    kept, lost = found.figures[0].series[0].points
    assert kept.x == 0.5
    assert (lost.x, lost.low, lost.high, lost.n) == (None, None, None, None)
    assert "0.66" not in found.figures[0].alt
    assert found.tables[0].rows == (("Big", 900, 0.5), ("Tiny", "fewer than 5 rows", "not shown"))


@pytest.mark.parametrize(
    ("asked", "least"), [({"min_cell": 12}, 12), ({}, 5), ({"min_cell": 0}, 5), ({"min_cell": True}, 5), ("x", 5)]
)
def test_min_cell_comes_from_the_plan(asked: object, least: int) -> None:
    assert min_cell(sample_audit(plan={"report": asked})) == least
    assert min_cell(sample_audit(plan={})) == 5

"""What a reader who knows no metric by name is told."""

import re

import pytest

from auditkit.core.finding import Bounds, Finding, Scope
from auditkit.core.types import Better, Status, Verdict
from auditkit.models.worker.isolation import Isolation
from auditkit.report.caps import LEVELS
from auditkit.report.labels import affected
from auditkit.report.plain import plain
from auditkit.report.privacy import protect
from auditkit.report.render import render
from auditkit.report.trusted import trusted_files
from auditkit.report.view import ReportView
from auditkit.report.view import build_view as build
from auditkit.report.view_facts import moment
from tests.report.sample import finding, gap, sample_audit


def build_view(audit, pages) -> ReportView:
    return build(protect(audit), pages, LEVELS[0])


def between(metric: str, **fields) -> Finding:
    more = {"value": 0.104, "interval": (0.081, 0.127), "status": Status.FAIL, "gate": Bounds(max=0.1), **fields}
    return gap("sex", metric, ("Male", "Female"), ("Female", "Male"), **more)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("demographic_parity_ratio", "Female is given the favourable answer “>50K” 0.302 times as often as Male "
                                     "(0.270 to 0.338); the plan requires at least 0.80."),
        ("selection_rate_difference", "Female is given the favourable answer “>50K” less often than Male: a gap of "
                                      "10.4 percentage points (8.1 to 12.7); the plan requires at most "
                                      "10 percentage points."),
        ("equal_opportunity_difference", "Among those who truly have “>50K”, Female is given it less often than Male"),
        ("false_positive_rate_difference", "Among those who truly lack “>50K”, Male is given it more often"),
        ("accuracy_difference", "The model is right less often for Female than for Male"),
        ("equalized_odds_difference", "The model errs differently for Male and for Female"),
        ("log_loss_difference", "Log loss difference by sex is 0.104 (0.081 to 0.127); the plan requires"),
    ],
)  # fmt: skip
def test_gaps_in_plain_words(metric: str, said: str) -> None:
    ratio = {"value": 0.3019, "interval": (0.27, 0.338), "gate": Bounds(min=0.8)} if metric.endswith("ratio") else {}
    assert plain(between(metric, **ratio), ">50K").startswith(said)


def test_overall_numbers_in_plain_words() -> None:
    accuracy = finding("performance.summary", "accuracy", Scope(split="test"), value=0.7425, interval=(0.70, 0.78),
                       gate=Bounds(min=0.75), status=Status.INCONCLUSIVE)  # fmt: skip
    assert plain(accuracy, None) == (
        "The model is right in 74.3% of all cases (70.0% to 78.0%); the plan requires at least 75%, and this data "
        "can’t tell whether that holds."
    )
    undefined = accuracy.model_copy(update={"value": None, "interval": None})
    assert plain(undefined, None) == ""
    elsewhere = accuracy.model_copy(update={"scope": Scope(split="train")})
    assert "train" in plain(elsewhere, None)


def test_classes_and_numbers_for_names_are_named() -> None:
    scope = Scope(split="test", attribute="age", groups=("60+", "1"), compared=("60+", "1"), class_="cat")
    found = finding("bias.groups", "selection_rate_difference", scope, value=0.3, interval=(0.2, 0.4),
                    gate=Bounds(max=0.1), status=Status.FAIL)  # fmt: skip
    assert plain(found, None).startswith("age 1 is given the answer “cat” less often than age 60+")


@pytest.mark.parametrize(
    ("metric", "who"),
    [
        ("accuracy_difference", "Female: the model does worse for them than for Male"),
        ("false_positive_rate_difference", "Male: the model does worse for them than for Female"),
        ("brier_difference", "Male: the model does worse"),
        ("equal_opportunity_ratio", "Female: the model does worse"),
        ("demographic_parity_difference", "Female: they get fewer favourable answers than Male"),
        ("equalized_odds_difference", "Female (lowest) against Male (highest)"),
        ("mean_error_difference", "Female (lowest) against Male (highest)"),
    ],
)
def test_who_fares_worse(metric: str, who: str) -> None:
    assert affected(between(metric)).startswith(who)


def test_groups_that_are_alike_have_no_order() -> None:
    same = gap("sex", "unlabelled_rate_difference", ("Female", "Female"), ("Female", "Male"), value=0.0,
               interval=(0.0, 0.01))  # fmt: skip
    assert affected(same) == "no group of sex more than another"
    rows = [row for c in _checks(same) for table in (*c.metrics, *c.folded) for row in table.rows]
    assert [(row.highest, row.lowest) for row in rows] == [("", "")]


def _checks(*findings: Finding):
    view = build_view(sample_audit(findings=findings), {})
    return [check for family in view.families for check in family.checks]


def test_two_names_of_one_gap_are_one_row() -> None:
    plainly = {"status": Status.INFO, "gate": None}
    rows = [row for c in _checks(between("true_positive_rate_difference", **plainly),
                                 between("equal_opportunity_difference", **plainly),
                                 between("selection_rate_difference", **plainly),
                                 between("demographic_parity_difference", **{**plainly, "value": 0.105}))
            for row in c.metrics[0].rows]  # fmt: skip
    assert [row.label for row in rows] == [
        "Equal opportunity difference (the true positive rate difference)",
        "Selection rate difference",
        "Demographic parity difference (the selection rate difference)",
    ]


def test_use_and_affected_stand_under_the_verdict_and_the_worst_gate_is_told() -> None:
    html = render(sample_audit(), "html")
    first = re.search(r'<section class="verdict.*?</section>', html, re.S)[0]
    assert first.index("</h1>") < first.index("percentage points") < first.index("Rank applicants") < first.index("UTC")
    assert "Chooses between" in first
    assert "2026-11-24 13:00 UTC" in first
    assert render(sample_audit(context={}), "html").count("not stated in the plan") == 2


@pytest.mark.parametrize(
    ("iso", "shown"),
    [("2026-11-24T15:26:34+02:00", "2026-11-24 13:26 UTC"), ("2026-11-24T15:26:34", "2026-11-24 15:26"), ("x", "x")],
)
def test_moments_are_in_utc(iso: str, shown: str) -> None:
    assert moment(iso) == shown


def test_warnings_that_differ_by_input_share_a_card() -> None:
    missing = [
        finding("data.integrity", "missing_share", Scope(split=split, feature=name), value=0.2, interval=(0.1, 0.3),
                status=Status.WARN, better=Better.LOWER, remedy="Find out why.", affected=f"{split} rows")
        for name in ("a", "b") for split in ("train", "test")
    ]  # fmt: skip
    view = build_view(sample_audit(findings=missing, verdict=Verdict.UNJUDGED, exit_code=0), {})
    (card,) = (*view.cards, *view.more_cards)
    assert card.title == "4 warnings of one kind: missing share"
    assert card.who == "the inputs a and b"
    assert [item.label for item in card.items] == [
        "input a, train data", "input a, test data", "input b, train data", "input b, test data"
    ]  # fmt: skip


def gate_plan(**changes):
    plan = {
        "model": {"kind": "predictions", "prediction": "decision", "score": "p", "threshold": 0.5},
        "data": {"splits": {"test": "a b.csv"}, "target": "risk", "positive": ">50K", "sensitive": ["sex", "race"]},
        "checks": {"data.integrity": "off", "data.leakage": "off", "calibration.reliability": "off"},
        "gates": [
            {"check": "bias.groups", "metric": "equalized_odds_difference", "by": ["sex", "race"], "max": 0.1},
            {"check": "performance.summary", "metric": "accuracy", "min": 0.7},
        ],
    }
    return {**plan, **changes}


def test_a_run_of_gate_says_how_to_do_it_again_and_what_it_left_out() -> None:
    view = build_view(sample_audit(plan=gate_plan(), context={}, findings=(between("accuracy_difference"),)), {})
    assert view.command == (
        "auditkit gate 'a b.csv' --target risk --prediction decision --score p --positive '>50K' --sensitive sex "
        "--sensitive race --max 'equalized_odds_difference@sex×race=0.1' --min accuracy=0.7"
    )
    assert [u.what for u in view.untested].count("Data") == 1
    assert not [u for u in view.untested if u.what.startswith("Data:")]
    assert {u.why for u in view.untested if u.what in ("Data", "Calibration")} == {
        "Not part of this run: it judged a file of predictions alone."
    }


@pytest.mark.parametrize(
    "change",
    [
        {"train": {"epochs": 3}, "model": {"kind": "torch", "path": "m"}},
        {"data": {**gate_plan()["data"], "splits": {"train": "a", "test": "b"}}},
        {"gates": [{"check": "bias.groups", "metric": "accuracy", "group": "x", "by": ["sex"], "min": 0.1}]},
        {"gates": "none"},
        {"checks": {"bias.groups": "off"}},
    ],
)
def test_other_plans_are_run_again_by_their_plan(change) -> None:
    assert build_view(sample_audit(plan=gate_plan(**change), context={}), {}).command == (
        f"auditkit run PLAN --seed 7 --trust sha256:{'12' * 32} --trust-code"
    )


def test_code_that_was_trusted_and_what_held_it_are_limits() -> None:
    """A reader who never opens the technical part learns that the model could run code, and that nothing held it."""
    trusted, bare = "code that the model brought along", "without a sandbox (--no-sandbox)"
    confined = build_view(sample_audit(), {})
    assert any(trusted in limit for limit in confined.limits)
    assert not any(bare in limit for limit in confined.limits)
    audit = sample_audit()
    environment = audit.environment.model_copy(update={"isolation": str(Isolation(0, seccomp=False, asked=False))})
    loose = build_view(audit.model_copy(update={"environment": environment}), {})
    assert any(bare in limit for limit in loose.limits)
    assert loose.command.endswith(" --trust-code --no-sandbox")
    assert bare in trusted_files(audit.model_copy(update={"environment": environment}))[-1]
    plain = audit.model_copy(update={"model": audit.model.model_copy(update={"trusted": ()})})
    assert not any(trusted in limit for limit in build_view(plain, {}).limits)

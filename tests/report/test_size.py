"""The report stays small however many inputs, classes, groups and gates an audit has."""

import itertools
import re
import time

import pytest

from auditkit.core.figure import Axis, Figure, Point, Series, Table
from auditkit.core.finding import Bounds, Finding, Scope
from auditkit.core.types import Status
from auditkit.report.caps import LEVELS
from auditkit.report.privacy import protect
from auditkit.report.render import render
from auditkit.report.view import build_view
from tests.report.sample import finding, sample_audit
from tests.report.test_html import Page

LIMIT = 500_000
ATTRIBUTES = {"sex": ("Female", "Male"), "race": tuple(f"race {i}" for i in range(5)), "age": ("young", "old", "60+")}
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate",
         "positive_predictive_value")  # fmt: skip
GAPS = (*RATES, "demographic_parity", "equal_opportunity", "predictive_parity", "equalized_odds")
SAID = "Of the rows that truly have the label '{c}', the share that the model gives it to."


def grouped(classes: int) -> list[Finding]:
    """What `bias.groups` says of a task of so many classes, for three attributes and the pairs of them."""
    crossed = {
        f"{a}×{b}": tuple(f"{g}×{h}" for g, h in itertools.product(ATTRIBUTES[a], ATTRIBUTES[b]))
        for a, b in itertools.combinations(ATTRIBUTES, 2)
    }
    found = []
    for attribute, groups in {**ATTRIBUTES, **crossed}.items():
        for c in map(str, range(classes)):
            for rate, group in itertools.product(RATES, groups):
                scope = Scope(split="test", attribute=attribute, groups=(group,), class_=c)
                found.append(finding("bias.groups", rate, scope, value=0.5, interval=(0.4, 0.6), n=90,
                                     explanation=SAID.format(c=c)))  # fmt: skip
            for gap, form in itertools.product(GAPS, ("difference", "ratio")):
                scope = Scope(split="test", attribute=attribute, groups=groups[:2], compared=groups, class_=c)
                found.append(finding("bias.groups", f"{gap}_{form}", scope, value=0.1, interval=(0.0, 0.2), n=900,
                                     explanation=f"{SAID.format(c=c)} Equal groups would show 0.0{c}.",
                                     status=Status.WARN if c.endswith("7") else Status.INFO))  # fmt: skip
    return found


def by_input(inputs: int) -> list[Finding]:
    found = []
    for split, i in itertools.product(("train", "test"), range(inputs)):
        scope = Scope(split=split, feature=f"pixel_{i}")
        found.append(finding("data.integrity", "missing_share", scope, value=0.1, interval=(0.05, 0.2), n=900,
                             explanation=f"Empty in {i} of 900 rows. Nothing else is known."))  # fmt: skip
        found.append(finding("explainability.attribution", "permutation_importance", scope, value=0.01 * i,
                             interval=(0.0, 99.0), n=900, explanation="How much worse it does without."))  # fmt: skip
    rows = tuple((f"pixel_{i}", "numeric", 900, 0, 0, 0.5, 0.1) for i in range(inputs))
    columns = ("column", "kind", "rows", "missing", "infinite", "mean", "standard deviation")
    points = tuple(Point(label=f"pixel_{i}", y=0.1, low=0.0, high=0.2, n=900) for i in range(inputs))
    figure = Figure(kind="bars", title="Importance", alt="a", x=Axis(label=""), y=Axis(label="i"),
                    series=(Series(name="s", points=points),))  # fmt: skip
    table = Table(title="Columns of test", columns=columns, rows=rows)
    return [
        *found,
        found[0].model_copy(update={"tables": (table,), "figures": (figure,), "metric": "constant_columns"}),
    ]


def overall(classes: int) -> list[Finding]:
    return [
        finding("performance.summary", rate, Scope(split=split, class_=str(c)), value=0.5, interval=(0.4, 0.6), n=90,
                explanation=SAID.format(c=c))
        for split in ("train", "test") for rate in ("recall", "precision", "f1", "brier") for c in range(classes)
    ]  # fmt: skip


@pytest.mark.parametrize(("inputs", "classes"), [(64, 10), (5, 300), (3000, 2)])
def test_a_report_stays_below_half_a_megabyte(inputs: int, classes: int) -> None:
    findings = [*sample_audit().findings, *overall(classes), *by_input(inputs), *grouped(classes)]
    began = time.process_time()
    html = render(sample_audit(findings=findings), "html")
    assert len(html.encode()) < LIMIT
    assert time.process_time() - began < 30
    page = Page(html)
    assert page.unbalanced == []
    ids = {a["id"] for _, a in page.elements if "id" in a}
    assert {a["href"][1:] for t, a in page.elements if t == "a"} <= ids
    assert "all are in audit.json" in html
    # However much is cut, the verdict and the unmet requirements are there.
    assert html.count('class="card fail"') == 1


def test_the_tightest_caps_hold_whatever_is_audited() -> None:
    gates = [
        finding("bias.groups", f"metric_{i}", Scope(split="test"), value=0.5, interval=(0.4, 0.6), n=90,
                gate=Bounds(max=0.1), status=Status.FAIL, explanation="x " * 400)
        for i in range(2000)
    ]  # fmt: skip
    checks = [
        finding(f"family{i % 9}.check{i}", "m", Scope(split=f"split{j}"), value=0.5, interval=(0.4, 0.6), n=90,
                status=Status.WARN)
        for i in range(30) for j in range(40)
    ]  # fmt: skip
    html = render(sample_audit(findings=[*gates, *checks]), "html")
    assert len(html.encode()) < LIMIT
    assert "metric 0 " in html


def test_what_is_common_is_said_once() -> None:
    view = build_view(protect(sample_audit(findings=[*by_input(64), *overall(10)])), {}, LEVELS[0])
    checks = [check for family in view.families for check in family.checks]
    tables = {(c.id, t.caption): t for c in checks for t in (*c.metrics, *c.folded)}
    said = [text for _, text in tables["explainability.attribution", "By input, test data"].words]
    assert said.count("How much worse it does without.") == 1
    integrity = next(c for c in checks if c.id == "data.integrity").folded[0].words
    assert integrity[0] == ("Missing share", "Nothing else is known.")
    assert integrity[1] == ("Missing share, input pixel_0", "Empty in 0 of 900 rows.")
    assert len(integrity) == LEVELS[0].words
    recall = [
        text
        for title, text in tables["performance.summary", "Measurements, test data"].words
        if title.startswith("Recall")
    ]
    assert recall == ["Of the rows that truly have the class, the share that the model gives it to."]


def test_rows_that_need_attention_are_kept_when_rows_are_cut() -> None:
    findings = [f.model_copy(update={"id": f"f{i}", "status": Status.WARN if i == 55 else Status.INFO})
                for i, f in enumerate(overall(20))]  # fmt: skip
    view = build_view(protect(sample_audit(findings=findings)), {}, LEVELS[-1])
    tables = [t for f in view.families for c in f.checks for t in (*c.metrics, *c.folded)]
    assert all(len(t.rows) == LEVELS[-1].rows for t in tables)
    assert sum(bool(row.anchor) for t in tables for row in t.rows) == 1
    assert re.match(r"8 of 80 rows are shown", tables[0].more)


def test_a_warning_without_room_for_a_card_is_marked_and_stands_first() -> None:
    count, made = LEVELS[-1].cards + 3, [f for f in overall(20) if f.check == "performance.summary"]
    findings = [f.model_copy(update={"id": f"f{i}", "status": Status.WARN if i >= len(made) - count else Status.INFO})
                for i, f in enumerate(made)]  # fmt: skip
    view = build_view(protect(sample_audit(findings=findings)), {}, LEVELS[-1])
    rows = [row for f in view.families for c in f.checks for t in (*c.metrics, *c.folded) for row in t.rows]
    assert view.attention == count
    assert sum(family.attention for family in view.families) == count
    assert all(row.word for row in rows[: LEVELS[-1].rows])
    linked = {card.anchor for card in (*view.cards, *view.more_cards)}
    assert {row.anchor for row in rows if row.anchor} <= linked

"""Whole audits out of a grammar: every one that is possible reads back as it was, and renders in every format."""

from __future__ import annotations

import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditkit.core.audit import Audit, DataSummary, Environment, ModelSummary
from auditkit.core.figure import Axis, Figure, Point, Series, Table
from auditkit.core.finding import Bounds, Finding, Scope, SliceTerm, finding_id
from auditkit.core.types import Better, Status, Verdict
from tests.fuzz.targets.results import assert_renders
from tests.properties import examples

HOSTILE = (
    "</script><script>x()</script>", "<img src=x onerror=x()>", "\x1b[31m", "::error::x", "=cmd()", "\u202egpj", "a\nb",
    "{{ 7*7 }}", "%s{0}", "]]>", "&amp;", "|", "`", "\x00", "\ufffe", "ſ", "", " ", "x" * 400, "sex×race",
)  # fmt: skip
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
NUMBER = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 0.5, 1e-300, 1e300, -1e300, 5e-324]), st.floats(-1, 2, width=32))
NAME = st.sampled_from(["accuracy", "equalized_odds_difference", "roc_auc", "latency_ms", "worst_group_f1", "zzz"])
CHECK = st.sampled_from(
    ["bias.groups", "performance.summary", "explainability.attribution", "data.integrity", "x.y", "z"]
)
POINTS = st.lists(
    st.builds(Point, x=NUMBER | st.none(), y=NUMBER | st.none(), low=NUMBER | st.none(), high=NUMBER | st.none(),
              label=TEXT | st.none(), n=st.integers(-1, 10**12) | st.none()),
    max_size=4,
)  # fmt: skip
AXIS = st.builds(Axis, label=TEXT, low=NUMBER | st.none(), high=NUMBER | st.none())
FIGURE = st.builds(
    Figure,
    kind=st.sampled_from(["intervals", "reliability", "lines", "bars"]),
    title=TEXT,
    alt=TEXT,
    x=AXIS,
    y=AXIS,
    series=st.lists(st.builds(Series, name=TEXT, points=POINTS.map(tuple)), max_size=3).map(tuple),
    reference=NUMBER | st.none(),
    reference_label=TEXT | st.none(),
)
CELL = st.one_of(TEXT, NUMBER, st.none(), st.booleans(), st.integers(-(10**20), 10**20))
GROUPS = st.lists(TEXT, min_size=1, max_size=3).map(tuple) | st.none()


@st.composite
def tables(draw: st.DrawFn) -> Table:
    width = draw(st.integers(1, 4))
    rows = st.lists(st.tuples(*[CELL] * width), max_size=3).map(tuple)
    return Table(title=draw(TEXT), columns=tuple(draw(TEXT) for _ in range(width)), rows=draw(rows))


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    term = st.builds(SliceTerm, column=TEXT, op=st.sampled_from(["==", "in", "<"]), value=CELL)
    fields: dict[str, Any] = {
        "split": draw(st.sampled_from(["test", "train", None]) | TEXT),
        "attribute": draw(st.sampled_from(["sex", "sex×race", None]) | TEXT),
        "groups": draw(GROUPS),
        "compared": draw(GROUPS),
        "slice": draw(st.lists(term, max_size=2).map(tuple) | st.none()),
        "class": draw(TEXT | st.none()),
        "condition": draw(st.dictionaries(TEXT, CELL, max_size=2) | st.none()),
        "reference": draw(TEXT | st.none()),
    }
    scope = Scope.model_validate(fields)
    low, value, high = sorted((draw(NUMBER), draw(NUMBER), draw(NUMBER)))
    gate = draw(st.none() | st.builds(Bounds, max=NUMBER, min=NUMBER | st.none()))
    has_value = draw(st.booleans())
    statuses = [s for s in Status if s is not Status.PASS or (has_value and gate is not None)]
    check, metric = draw(CHECK), draw(NAME)
    return Finding(
        id=finding_id(check, metric, scope, gate),
        check=check,
        metric=metric,
        scope=scope,
        value=value if has_value else None,
        interval=draw(st.sampled_from([None, (low, high)])),
        confidence=draw(st.sampled_from([0.95, None])),
        method=draw(TEXT | st.none()),
        n=draw(st.integers(0, 10**9) | st.none()),
        status=draw(st.sampled_from(statuses)),
        gate=gate,
        better=draw(st.sampled_from([None, *Better])),
        sampled=draw(st.booleans()),
        figures=tuple(draw(st.lists(FIGURE, max_size=1))),
        tables=tuple(draw(st.lists(tables(), max_size=1))),
        **{name: draw(TEXT) for name in ("title", "explanation", "remedy", "reason", "affected")},
    )


JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT | st.integers(-(10**20), 10**20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PLAN = st.dictionaries(
    st.sampled_from(["model", "data", "gates", "checks", "report", "run", *string.ascii_lowercase]), JSON
)
AUDIT = st.builds(
    Audit,
    name=TEXT,
    verdict=st.sampled_from(list(Verdict)),
    exit_code=st.sampled_from([0, 1, 3, 5]),
    model=st.builds(
        ModelSummary, kind=TEXT, task=TEXT, classes=st.none() | st.lists(TEXT, max_size=3).map(tuple),
        positive=TEXT | st.none(), threshold=NUMBER | st.none(), description=TEXT | st.none(),
    ),
    data=st.lists(st.builds(DataSummary, split=TEXT, rows=st.integers(0, 10**12)), max_size=2).map(tuple),
    findings=st.lists(findings(), max_size=4).map(tuple),
    environment=st.builds(Environment, auditkit=TEXT, python=TEXT, isolation=TEXT),
    context=st.dictionaries(TEXT, TEXT, max_size=2),
    notes=st.lists(TEXT, max_size=2).map(tuple),
    plan=PLAN,
)  # fmt: skip


@given(AUDIT)
@examples(40)
def test_any_possible_audit_renders(audit: Audit) -> None:
    text = audit.to_json()
    json.loads(text, parse_constant=lambda name: 1 / 0)
    assert Audit.from_json(text) == audit
    assert_renders(audit)

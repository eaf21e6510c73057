"""Findings as the report shows them: cards for what needs attention, rows of tables for all else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from auditkit.core.finding import Finding
from auditkit.report.caps import Caps
from auditkit.report.figures import Drawing, draw
from auditkit.report.labels import group_name, is_alike, labelled, metric_label, scope_parts
from auditkit.report.messages import cut, text
from auditkit.report.privacy import is_hidden
from auditkit.report.scales import nice_domain
from auditkit.report.small import rates_behind
from auditkit.report.strip import Strip, strip
from auditkit.report.text import join, line
from auditkit.report.values import ShownValue, shown_value
from auditkit.report.verdict import about
from auditkit.report.words import Words, words

#: Numbers that were left out are named, up to so many.
MOST_NAMED = 12


@dataclass(frozen=True)
class Need:
    """A finding that needs attention, and where its card stands; empty where there was no room for the card."""

    finding: Finding
    anchor: str


#: What needs attention, by what it measures.
Cards: TypeAlias = Mapping[tuple[str, str, str], Need]


def check_anchor(check: str) -> str:
    """Where a check's section stands."""
    return f"check-{re.sub(r'[^A-Za-z0-9]+', '-', check)}"


@dataclass(frozen=True)
class MetricRow:
    """One finding as a row. `highest` and `lowest` are the groups of a gap."""

    label: str
    split: str
    highest: str
    lowest: str
    value: ShownValue
    strip: Strip | None
    status: str
    word: str
    anchor: str
    note: str


@dataclass(frozen=True)
class MetricTable:
    """Findings of one kind. `method` is set where all rows share it; `ends` are those of the drawn intervals."""

    caption: str
    rows: tuple[MetricRow, ...]
    gaps: bool
    splits: bool
    strips: bool
    hidden: str
    ends: tuple[str, str]
    method: str
    confidence: str
    words: Words
    words_note: str
    more: str


def other_name(metric: str) -> str | None:
    """The name by which a gap is also known: equal opportunity is the gap in the true positive rate."""
    stem, cut, form = metric.rpartition("_")
    rates = rates_behind(metric)
    return (
        f"{rates[0]}_{form}"
        if cut and form in ("difference", "ratio") and rates != (stem,) and len(rates) == 1
        else None
    )


def _once(findings: Sequence[Finding], cards: Cards) -> list[Finding]:
    """Without the gaps that stand there under their other name with the same numbers, unless a card tells of them."""
    told = {(other_name(f.metric), f.scope.class_, f.value, f.interval) for f in findings if other_name(f.metric)}
    return [f for f in findings if about(f) in cards or (f.metric, f.scope.class_, f.value, f.interval) not in told]


def metric_table(caption: str, findings: Sequence[Finding], cards: Cards, caps: Caps, *, gaps: bool) -> MetricTable:
    """A table of findings, their intervals drawn on one scale; those that need attention say so, link to their
    card, and stand first where not all can be shown."""
    findings = _once(findings, cards) if gaps else findings
    kept = [f for f in findings if not is_hidden(f)]
    hidden = [labelled(f.metric, _parts(f, gaps)) for f in findings if is_hidden(f)]
    told = words(kept, by=not gaps)
    shown = kept if len(kept) <= caps.rows else sorted(kept, key=lambda f: about(f) not in cards)[: caps.rows]
    domain = _domain(shown, gaps) if len(shown) <= caps.strips else None
    rows = tuple(_row(f, cards.get(about(f)), gaps, domain) for f in shown)
    methods = {r.value.method for r in rows if r.value.defined and r.value.method}
    confidences = {r.value.confidence for r in rows if r.value.confidence}
    return MetricTable(
        caption=caption,
        rows=rows,
        gaps=gaps,
        splits=len({r.split for r in rows}) > 1,
        strips=any(r.strip for r in rows),
        ends=_ends(rows),
        hidden=text("hidden.rows", names=join(hidden, MOST_NAMED)) if hidden else "",
        method=methods.pop() if len(methods) == 1 else "",
        confidence=confidences.pop() if len(confidences) == 1 else "",
        words=told[: caps.words],
        words_note=cut("more.words", caps.words, len(told)),
        more=cut("more.rows", len(shown), len(kept)),
    )


def _domain(findings: Sequence[Finding], gaps: bool) -> tuple[float, float]:
    """Shares are drawn from 0 to 1; gaps and small numbers on a scale that holds all of them and zero."""
    values = [v for f in findings if f.value is not None for v in (f.value, *(f.interval or ()))]
    shares = [v for v in values if -1 <= v <= 1]
    if not shares or (not gaps and min(shares) >= 0 and max(shares) > 0.5):
        return 0.0, 1.0
    return nice_domain([*shares, 0.0])


def _ends(rows: Sequence[MetricRow]) -> tuple[str, str]:
    return next((row.strip.ends for row in rows if row.strip), ("", ""))


def _row(finding: Finding, told: Need | None, gaps: bool, domain: tuple[float, float] | None) -> MetricRow:
    scope, value = finding.scope, shown_value(finding)
    pair = () if is_alike(finding) else scope.groups or ()
    highest, lowest = (group_name(pair[0]), group_name(pair[1])) if gaps and len(pair) == 2 else ("", "")
    note = "; ".join(part for part in (value.reason, *value.remarks) if part)
    return MetricRow(
        label=_label(finding, gaps),
        split=line(scope.split or ""),
        highest=highest,
        lowest=lowest,
        value=value,
        strip=_drawn(finding, domain),
        status=told.finding.status.value if told else finding.status.value,
        word=text(f"status.{told.finding.status.value}") if told else "",
        anchor=told.anchor if told else "",
        note=note,
    )


def _drawn(finding: Finding, domain: tuple[float, float] | None) -> Strip | None:
    """The interval on the scale of its table, None where it does not fit on it or nothing is drawn."""
    if domain is None or finding.interval is None:
        return None
    return strip(finding, domain) if all(domain[0] <= v <= domain[1] for v in finding.interval) else None


def _parts(finding: Finding, gaps: bool) -> list[str]:
    """The scope without what the table's caption says already."""
    return [p for p in scope_parts(finding.scope, split=False) if not (gaps and p.startswith("by "))]


def _label(finding: Finding, gaps: bool) -> str:
    """The metric and its scope; of a gap that goes by two names, both; of one group that stands out, its name."""
    label, name = labelled(finding.metric, _parts(finding, gaps)), other_name(finding.metric)
    if gaps and len(finding.scope.groups or ()) == 1:
        return f"{label}: {group_name((finding.scope.groups or ('',))[0])}"
    return text("alias", label=label, other=metric_label(name).lower()) if gaps and name else label


def drawings(findings: Sequence[Finding], caps: Caps) -> tuple[tuple[Drawing, ...], int]:
    """Every figure of these findings once, however many of them carry it, as far as `caps` goes; and how many there
    are."""
    figures = {figure.model_dump_json(): figure for finding in findings for figure in finding.figures}
    return tuple(draw(figure, caps) for figure in list(figures.values())[: caps.figures]), len(figures)

"""The whole report as data: every text and place decided, so that templates only lay out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditkit.core.audit import Audit, DataSummary
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from auditkit.report.format import Pages
from auditkit.report.gates import GateRow, gate_rows
from auditkit.report.labels import check_title, family_title
from auditkit.report.limits import limitations
from auditkit.report.messages import FAMILIES, counted, text
from auditkit.report.numbers import count, duration
from auditkit.report.plan_text import plan_text
from auditkit.report.privacy import min_cell, protect
from auditkit.report.text import clean, line
from auditkit.report.values import confidence_text
from auditkit.report.verdict import about, verdict_parts, worst
from auditkit.report.view_family import FamilyView, families
from auditkit.report.view_findings import Card, card

#: Cards that stand open: those of gates and errors, and those of warnings; the rest is folded.
MOST_CARDS = 20
MOST_WARNINGS = 4
MOST_CHIPS = 24
CONTEXT = ("use", "affected", "harms", "reviewer")


@dataclass(frozen=True)
class Untested:
    """Something that was not tested, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class DataRow:
    """One split as text."""

    split: str
    rows: str
    unreadable: str
    unlabelled: str
    unscored: str
    sampled_from: str
    sha256: str


@dataclass(frozen=True)
class ReportView:
    """What `report.html.j2` lays out."""

    name: str
    verdict: str
    word: str
    sentence: str
    beside: str
    facts: tuple[tuple[str, str], ...]
    gates: tuple[GateRow, ...]
    chips: tuple[GateRow, ...]
    more_chips: int
    cards: tuple[Card, ...]
    more_cards: tuple[Card, ...]
    families: tuple[FamilyView, ...]
    untested: tuple[Untested, ...]
    context: tuple[tuple[str, str], ...]
    data: tuple[DataRow, ...]
    notes: tuple[str, ...]
    limits: tuple[str, ...]
    command: str
    versions: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    isolation: str
    plan: str
    confidence: str
    min_cell: int


def build_view(audit: Audit, pages: Pages) -> ReportView:
    """The report of an audit, small cells left out."""
    shown = protect(audit)
    needing = worst(shown)
    opened = _opened(needing)
    gates = tuple(gate_rows(shown))
    sentence, beside = verdict_parts(shown)
    confidences = [f.confidence for f in shown.findings if f.confidence is not None]
    return ReportView(
        name=line(shown.name, 200),
        verdict=shown.verdict.value,
        word=text(f"verdict.word.{shown.verdict.value}"),
        sentence=sentence,
        beside=" ".join(part for part in (beside, _warnings(shown)) if part),
        facts=_facts(shown),
        gates=gates,
        chips=gates[:MOST_CHIPS],
        more_chips=max(0, len(gates) - MOST_CHIPS),
        cards=tuple(card(f) for f in needing[:opened]),
        more_cards=tuple(card(f) for f in needing[opened:]),
        families=tuple(families(shown, pages, {about(f): f for f in reversed(needing)})),
        untested=tuple(_untested(shown, pages)),
        context=_context(shown),
        data=tuple(_data_row(d) for d in shown.data),
        notes=tuple(clean(note) for note in shown.notes),
        limits=tuple(limitations(shown)),
        command=text("reproduce.run", seed=shown.environment.seed),
        versions=_versions(shown),
        digests=_digests(shown),
        isolation=clean(shown.environment.isolation),
        plan=plan_text(shown.plan),
        confidence=confidence_text(max(set(confidences), key=confidences.count) if confidences else 0.95),
        min_cell=min_cell(audit),
    )


def _opened(needing: Sequence[Finding]) -> int:
    """How many cards stand open; warnings come last, so that the first ones of them are kept."""
    grave = sum(f.status is not Status.WARN for f in needing)
    return min(grave + MOST_WARNINGS, MOST_CARDS)


def _warnings(audit: Audit) -> str:
    number = sum(f.status is Status.WARN for f in worst(audit))
    return counted("detail.warnings", number, count=number) if number else ""


def _facts(audit: Audit) -> tuple[tuple[str, str], ...]:
    model = audit.model
    size = f", {text('facts.parameters', count=count(model.parameters))}" if model.parameters else ""
    rows = ", ".join(f"{line(d.split)} {count(d.rows)}" for d in audit.data)
    facts = [
        (text("facts.model"), f"{line(model.kind)}, {line(model.task)}{size}"),
        (text("facts.rows"), rows),
    ]
    if model.positive is not None:
        facts.append((text("facts.positive"), line(model.positive)))
    if audit.run is not None:
        facts.append((text("facts.date"), line(audit.run.started)[:16].replace("T", " ")))
    return tuple(facts)


def _context(audit: Audit) -> tuple[tuple[str, str], ...]:
    known = [(key, audit.context[key]) for key in CONTEXT if audit.context.get(key)]
    other = [(key, value) for key, value in audit.context.items() if key not in CONTEXT and value]
    named = [(text(f"context.{key}"), clean(value)) for key, value in known]
    return tuple(named + [(line(key), clean(value)) for key, value in other])


def _untested(audit: Audit, pages: Pages) -> list[Untested]:
    """Checks that were skipped or broke, then families that nothing looked at."""
    found = [
        Untested(f"{family_title(f.family)}: {check_title(f.check)}", clean(f.reason or ""))
        for f in audit.findings
        if f.gate is None and f.status in (Status.SKIPPED, Status.ERROR)
    ]
    present = {f.family for f in audit.findings}
    known = {check.partition(".")[0] for check in pages}
    switched = audit.plan.get("checks")
    off = {k for k, v in switched.items() if v in ("off", False)} if isinstance(switched, dict) else set()
    found += [
        Untested(f"{family_title(c.partition('.')[0])}: {check_title(c)}", text("untested.off"))
        for c in sorted(off)
        if "." in c
    ]
    for family, (title, _question) in FAMILIES.items():
        if family not in present:
            why = "off" if family in off else "no-findings" if family in known else "no-check"
            found.append(Untested(title, text(f"untested.{why}")))
    return found


def _data_row(data: DataSummary) -> DataRow:
    return DataRow(
        split=line(data.split),
        rows=count(data.rows),
        unreadable=count(data.unreadable),
        unlabelled=count(data.unlabelled),
        unscored=count(data.unscored),
        sampled_from="" if data.sampled_from is None else count(data.sampled_from),
        sha256=line(data.sha256 or ""),
    )


def _versions(audit: Audit) -> tuple[tuple[str, str], ...]:
    env = audit.environment
    pairs = [("auditkit", env.auditkit), ("Python", env.python), ("torch", env.torch or "")]
    pairs += [(name, version) for name, version in env.packages.items() if name not in ("auditkit", "torch")]
    pairs += [(text("env.platform"), env.platform), (text("env.device"), env.device), (text("env.seed"), str(env.seed))]
    if audit.run is not None:
        pairs.append((text("env.time"), duration(audit.run.seconds)))
    return tuple((line(name), line(value)) for name, value in pairs if value)


def _digests(audit: Audit) -> tuple[tuple[str, str], ...]:
    model = [(text("digest.model"), line(audit.model.sha256))] if audit.model.sha256 else []
    return tuple(model + [(line(d.split), line(d.sha256)) for d in audit.data if d.sha256])

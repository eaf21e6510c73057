"""The whole report as data: every text and place decided, so that templates only lay out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from auditkit.core.audit import Audit, DataSummary
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from auditkit.report.caps import Caps
from auditkit.report.format import Pages
from auditkit.report.gates import GateRow, anchor, gate_rows
from auditkit.report.limits import limitations
from auditkit.report.messages import counted, cut, text
from auditkit.report.numbers import count, duration
from auditkit.report.plan_text import plan_text
from auditkit.report.privacy import min_cell
from auditkit.report.reproduce import command, is_gate_run
from auditkit.report.text import clean, line
from auditkit.report.trusted import trusted_files
from auditkit.report.untested import Untested, untested
from auditkit.report.values import confidence_text
from auditkit.report.verdict import about, verdict_parts, worst
from auditkit.report.view_cards import Card, cards
from auditkit.report.view_facts import context, facts, purpose
from auditkit.report.view_family import FamilyView, families
from auditkit.report.view_findings import Need

#: Cards that stand open: those of gates and errors, and those of warnings; the rest is folded.
MOST_CARDS = 20
MOST_WARNINGS = 4
MOST_CHIPS = 24


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
    plain: str
    beside: str
    purpose: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    gates: tuple[GateRow, ...]
    gates_note: str
    chips: tuple[GateRow, ...]
    more_chips: int
    cards: tuple[Card, ...]
    more_cards: tuple[Card, ...]
    attention: int
    cards_note: str
    families: tuple[FamilyView, ...]
    untested: tuple[Untested, ...]
    context: tuple[tuple[str, str], ...]
    data: tuple[DataRow, ...]
    notes: tuple[str, ...]
    limits: tuple[str, ...]
    command: str
    about_command: str
    versions: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    isolation: str
    trusted: tuple[str, ...]
    plan: str
    confidence: str
    min_cell: int


def build_view(shown: Audit, pages: Pages, caps: Caps) -> ReportView:
    """The report of an audit that `privacy.protect` has been over, no more of anything than `caps` allows."""
    needing = worst(shown)
    needing_cards = cards(needing, shown.model.positive)
    listed, left_out = needing_cards[: caps.cards], needing_cards[caps.cards :]
    opened = _opened(listed)
    told = {place for c in listed for place in (c.anchor, *(item.anchor for item in c.items))}
    # A link to a card that was cut would lead nowhere.
    gates = tuple(row if row.anchor in told else replace(row, anchor="") for row in gate_rows(shown))
    sentence, beside = verdict_parts(shown)
    confidences = [f.confidence for f in shown.findings if f.confidence is not None]
    return ReportView(
        name=line(shown.name, 200),
        verdict=shown.verdict.value,
        word=text(f"verdict.word.{shown.verdict.value}"),
        sentence=sentence,
        plain=needing_cards[0].plain if needing_cards else "",
        purpose=purpose(shown),
        beside=" ".join(part for part in (beside, _warnings(shown)) if part),
        facts=facts(shown),
        gates=gates[: caps.gates],
        gates_note=cut("more.rows", caps.gates, len(gates)),
        chips=gates[:MOST_CHIPS],
        more_chips=max(0, len(gates) - MOST_CHIPS),
        cards=tuple(listed[:opened]),
        more_cards=tuple(listed[opened:]),
        attention=len(needing_cards),
        cards_note=text("more.cards.cut", count=count(len(left_out))) if left_out else "",
        families=tuple(families(shown, pages, _needs(needing, told), caps)),
        untested=tuple(untested(shown, pages)[: caps.data]),
        context=context(shown),
        data=tuple(_data_row(d) for d in shown.data),
        notes=tuple(clean(note) for note in shown.notes[: caps.data]),
        limits=tuple(limitations(shown)),
        command=command(shown),
        about_command=text("reproduce.gate.about" if is_gate_run(shown) else "reproduce.about"),
        versions=_versions(shown),
        digests=_digests(shown),
        isolation=clean(shown.environment.isolation),
        trusted=trusted_files(shown),
        plan=plan_text(shown.plan),
        confidence=confidence_text(max(set(confidences), key=confidences.count) if confidences else 0.95),
        min_cell=min_cell(shown),
    )


def _needs(needing: Sequence[Finding], told: Collection[str]) -> dict[tuple[str, str, str], Need]:
    return {about(f): Need(f, anchor(f) if anchor(f) in told else "") for f in reversed(needing)}


def _opened(needing: Sequence[Card]) -> int:
    """How many cards stand open; warnings come last, so that the first ones of them are kept."""
    grave = sum(c.row.status != Status.WARN.value for c in needing)
    return min(grave + MOST_WARNINGS, MOST_CARDS)


def _warnings(audit: Audit) -> str:
    number = sum(f.status is Status.WARN for f in worst(audit))
    return counted("detail.warnings", number, count=number) if number else ""


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

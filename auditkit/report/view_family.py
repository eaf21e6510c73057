"""A family's section: its checks, each with figures, tables of intervals, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditkit.core.audit import Audit, count_statuses
from auditkit.core.finding import Finding
from auditkit.core.types import Status
from auditkit.report.caps import Caps
from auditkit.report.figure_table import ShownTable, shown_table
from auditkit.report.figures import Drawing
from auditkit.report.format import Pages
from auditkit.report.grouped import GroupMatrix, group_matrices, is_group_rate, trimmed
from auditkit.report.labels import check_title, family_title
from auditkit.report.messages import FAMILIES, counted, cut, text
from auditkit.report.text import clean, join, line
from auditkit.report.view_findings import Cards, MetricTable, check_anchor, drawings, metric_table

#: More figures than this in one check are folded away; the first ones stay open.
OPEN_FIGURES = 4
#: A table of inputs with more rows than this is folded.
OPEN_ROWS = 8
_SECTIONS = ("reading", "measures", "how", "assumptions", "source")


@dataclass(frozen=True)
class PageSection:
    """A section of a check's page, as paragraphs."""

    heading: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class CheckView:
    """One check."""

    id: str
    anchor: str
    title: str
    summary: str
    figures: tuple[Drawing, ...]
    more_figures: tuple[Drawing, ...]
    figures_note: str
    metrics: tuple[MetricTable, ...]
    folded: tuple[MetricTable, ...]
    matrices: tuple[GroupMatrix, ...]
    tables: tuple[ShownTable, ...]
    tables_note: str
    page: tuple[PageSection, ...]
    problems: tuple[tuple[str, str], ...]

    @property
    def tables_summary(self) -> str:
        """How many tables of its own the check brings."""
        return counted("tables.more", len(self.tables), count=len(self.tables))

    @property
    def folded_summary(self) -> str:
        """What is folded away, by name."""
        captions = [table.caption for table in self.folded]
        return counted("folded.summary", len(captions), count=len(captions), captions=join(captions))


@dataclass(frozen=True)
class FamilyView:
    """One family."""

    id: str
    title: str
    question: str
    counts: str
    attention: int
    checks: tuple[CheckView, ...]


def families(audit: Audit, pages: Pages, cards: Cards, caps: Caps) -> list[FamilyView]:
    """The families that have findings: the known ones in the report's order, then those of other packages."""
    present = dict.fromkeys(f.family for f in audit.findings)
    ordered = [name for name in FAMILIES if name in present] + [name for name in present if name not in FAMILIES]
    return [_family(name, [f for f in audit.findings if f.family == name], pages, cards, caps) for name in ordered]


def _family(name: str, findings: Sequence[Finding], pages: Pages, cards: Cards, caps: Caps) -> FamilyView:
    own = [f for f in findings if f.gate is None]
    checks = dict.fromkeys(f.check for f in findings)
    counts = count_statuses(own)
    return FamilyView(
        id=f"family-{check_anchor(name)}",
        title=family_title(name),
        question=FAMILIES[name][1] if name in FAMILIES else "",
        counts=", ".join(f"{number} {text(f'status.{status.value}').lower()}" for status, number in counts.items()),
        attention=sum(need.finding.family == name for need in cards.values()),
        checks=tuple(_check(c, [f for f in findings if f.check == c], pages.get(c, {}), cards, caps) for c in checks),
    )


def _ungated(findings: Sequence[Finding]) -> list[Finding]:
    """Each measurement once: a gate's finding repeats one that stands there without the gate, unless it has none."""
    own = [f for f in findings if f.gate is None]
    known = {_key(f) for f in own}
    extra = {_key(f): f for f in findings if f.gate is not None and _key(f) not in known}
    return own + list(extra.values())


def _key(finding: Finding) -> str:
    return f"{finding.metric}\0{finding.scope.model_dump_json()}"


def _check(check: str, findings: Sequence[Finding], page: Mapping[str, str], cards: Cards, caps: Caps) -> CheckView:
    shown = _ungated(findings)
    # Not by equality: comparing every finding with every other takes minutes where there are thousands.
    measured = [f for f in shown if not _without_measure(f)]
    figures, drawable = drawings(shown, caps)
    tables = _metric_tables(measured, cards, caps)
    matrices = group_matrices(measured)
    own = [t for f in shown for t in f.tables]
    counts = [len(tables), len(matrices), len(own)]
    return CheckView(
        id=line(check),
        anchor=check_anchor(check),
        title=check_title(check),
        summary=clean(page.get("summary", "")),
        figures=figures[:OPEN_FIGURES],
        more_figures=figures[OPEN_FIGURES:],
        figures_note=cut("more.figures", len(figures), drawable),
        metrics=tuple(table for table, open_ in tables[: caps.tables] if open_),
        folded=tuple(table for table, open_ in tables[: caps.tables] if not open_),
        matrices=tuple(trimmed(m, caps.groups, caps.columns) for m in matrices[: caps.tables]),
        tables=tuple(shown_table(t, caps.data) for t in own[: caps.tables]),
        tables_note=cut("more.tables", sum(min(number, caps.tables) for number in counts), sum(counts)),
        page=_page(page),
        problems=tuple((line(f.title, 300), clean(f.reason or "")) for f in shown if _without_measure(f)),
    )


def _without_measure(finding: Finding) -> bool:
    """Whether it only says that a check was skipped or broke."""
    return finding.metric in (Status.SKIPPED.value, Status.ERROR.value)


def _metric_tables(findings: Sequence[Finding], cards: Cards, caps: Caps) -> list[tuple[MetricTable, bool]]:
    """Tables, and whether each stands open: overall numbers on test first, then the differences of each attribute.

    Other splits, ratios (which say the same again) and long lists of inputs are folded. What a matrix shows is left
    to it.
    """
    sorted_out: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        scope = finding.scope
        if scope.compared is not None:
            kind = "ratios" if finding.metric.endswith("_ratio") else "gaps"
            sorted_out.setdefault((kind, scope.attribute or "", scope.split or ""), []).append(finding)
        elif not is_group_rate(finding) or finding.gate is not None:
            kind = "overall" if scope.feature is None else "features"
            sorted_out.setdefault((kind, "", scope.split or ""), []).append(finding)
    main = "test" if ("overall", "", "test") in sorted_out else None
    made = []
    for (kind, attribute, split), found in sorted_out.items():
        where = text("on.split", split=line(split)) if split else ""
        caption = text(f"caption.{kind}", attribute=line(attribute), where=where)
        table = metric_table(caption, found, cards, caps, gaps=kind in ("gaps", "ratios"))
        made.append((table, _stands_open(kind, len(found), on_main=main is None or split in ("", main))))
    return sorted(made, key=lambda table: table[0].gaps)


def _stands_open(kind: str, rows: int, *, on_main: bool) -> bool:
    if kind in ("gaps", "ratios"):
        return kind == "gaps"
    return on_main and (kind == "overall" or rows <= OPEN_ROWS)


def _page(page: Mapping[str, str]) -> tuple[PageSection, ...]:
    return tuple(
        PageSection(text(f"page.{name}"), tuple(clean(part) for part in page[name].split("\n\n")))
        for name in _SECTIONS
        if page.get(name)
    )

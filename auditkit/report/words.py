"""What numbers mean, in words: what holds for every finding of a metric once, and the rest once for each text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from auditkit.core.finding import Finding, Scope
from auditkit.report.labels import labelled, scope_parts
from auditkit.report.text import clean, join

_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z'“\"])")
#: Findings that are named before a text; the rest is counted.
MOST_NAMED = 6
Words = tuple[tuple[str, str], ...]


def words(findings: Sequence[Finding], *, by: bool) -> Words:
    """Title and text of each entry, in the order of the findings. `by` keeps `by sex` in the titles."""
    metrics = dict.fromkeys(f.metric for f in findings if f.explanation)
    return tuple(entry for metric in metrics for entry in _of_metric([f for f in findings if f.metric == metric], by))


def _of_metric(findings: Sequence[Finding], by: bool) -> list[tuple[str, str]]:
    told = [_sentences(f) for f in findings]
    if len(findings) == 1:
        return [(_title(findings[0], by), clean(" ".join(told[0]), 900))] if told[0] else []
    common = [sentence for sentence in told[0] if all(sentence in other for other in told)]
    entries = [(labelled(findings[0].metric, ()), clean(" ".join(common), 900))] if common else []
    rest: dict[str, list[str]] = {}
    for finding, sentences in zip(findings, told, strict=True):
        own = " ".join(sentence for sentence in sentences if sentence not in common)
        if own:
            rest.setdefault(own, []).append(_title(finding, by))
    return entries + [(join(titles, MOST_NAMED), clean(own, 900)) for own, titles in rest.items()]


def _title(finding: Finding, by: bool) -> str:
    parts = scope_parts(finding.scope, split=False)
    return labelled(finding.metric, [p for p in parts if by or not p.startswith("by ")])


def _sentences(finding: Finding) -> list[str]:
    """The explanation in sentences, the name of its own class or input left open."""
    return [_general(sentence, finding.scope) for sentence in _SENTENCE.split(finding.explanation) if sentence]


def _general(sentence: str, scope: Scope) -> str:
    if scope.class_ is not None:
        sentence = sentence.replace(f"the label '{scope.class_}'", "the class").replace(
            f"'{scope.class_}'", "the class"
        )
    return sentence if scope.feature is None else sentence.replace(f"'{scope.feature}'", "the input")

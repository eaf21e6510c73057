"""Numbers and names as every check words them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from auditkit.core.estimate import Estimate
from auditkit.core.messages import number, percent
from auditkit.core.messages import points as hundredfold

#: Abbreviations that a capital letter would spoil, and names that read better in full.
_NAMES = {
    "auc": "AUC",
    "roc_auc": "ROC AUC",
    "r2": "R²",
    "f1": "F1",
    "macro_f1": "macro F1",
    "brier": "Brier score",
    "loss": "loss",
    "absolute_error_90th_percentile": "90th percentile of the absolute error",
    "theil_index": "Theil index",
    "between_group_theil_index": "Theil index between groups",
}


def name_of(metric: str, class_: str | None = None) -> str:
    """A metric in plain words: `true_positive_rate` of class `b` is "true positive rate of 'b'"."""
    words = _NAMES.get(metric) or _compound(metric)
    return words if class_ is None else f"{words} of '{class_}'"


def _compound(metric: str) -> str:
    """A gap or a worst group of a metric that has a name of its own, or the words that the name is made of."""
    for form in ("difference", "ratio"):
        stem = metric.removesuffix(f"_{form}")
        if stem != metric and stem in _NAMES:
            return f"{_NAMES[stem]} {form}"
    stem = metric.removeprefix("worst_group_")
    return f"worst group's {name_of(stem)}" if stem != metric else metric.replace("_", " ")


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def amount(value: float, *, share: bool) -> str:
    """A value as people read it; `share` makes it a percentage."""
    return percent(value) if share else number(value)


def span(estimate: Estimate, *, share: bool) -> str:
    """An estimate in words: "84.1% (82.0% to 86.0%)", or "not defined" where there is no value."""
    if estimate.value is None:
        return "not defined"
    value = amount(estimate.value, share=share)
    if estimate.interval is None:
        return value
    low, high = (amount(end, share=share) for end in estimate.interval)
    return f"{value} ({low} to {high})"


def points(estimate: Estimate) -> str:
    """A difference of two shares in percentage points: "12.3 points (9.8 to 14.7)"."""
    if estimate.value is None:
        return "not defined"
    value, *ends = (hundredfold(end) for end in (estimate.value, *(estimate.interval or ())))
    return f"{value} points ({ends[0]} to {ends[1]})" if ends else f"{value} points"


def change(estimate: Estimate, *, share: bool) -> str:
    """A difference: in points where both sides are shares, else in the metric's own unit."""
    return points(estimate) if share else span(estimate, share=False)


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names for a sentence: quoted, cut after `most` with a count of the rest."""
    every = [f"'{name}'" for name in names]
    shown = every[:most]
    if len(every) > most:
        shown.append(f"{len(every) - most} more")
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def count(rows: int, noun: str = "row") -> str:
    """A number with its noun: "1 row", "12,034 rows"."""
    return f"{rows:,} {noun}" if rows == 1 else f"{rows:,} {noun}s"


def alt_of(what: str, labels: Sequence[str], estimates: Sequence[Estimate], *, share: bool) -> str:
    """The text that stands for a figure of intervals: what it shows and every value in it (the first twelve)."""
    said = [f"{label} {span(e, share=share)}" for label, e in list(zip(labels, estimates, strict=True))[:12]]
    more = f"; and {len(labels) - 12} more" if len(labels) > 12 else ""
    return f"{what}: {'; '.join(said)}{more}."


def size(estimate: Estimate) -> Estimate:
    """The estimate without its sign, for a sentence that says "better" or "worse" itself."""
    if estimate.value is None or estimate.value >= 0:
        return estimate
    low, high = (None, None) if estimate.interval is None else (-estimate.interval[1], -estimate.interval[0])
    return replace(estimate, value=-estimate.value, low=low, high=high)

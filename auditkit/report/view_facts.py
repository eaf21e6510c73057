"""What a reader must know first: what the model does, in plain words, what it is for, and on what it was audited."""

from __future__ import annotations

from datetime import UTC, datetime

from auditkit.core.audit import Audit, ModelSummary
from auditkit.core.types import TaskKind
from auditkit.report.messages import text
from auditkit.report.numbers import bound, count
from auditkit.report.text import clean, join, line

CONTEXT = ("use", "affected", "harms", "reviewer")
#: What stands on the first screen, stated or not.
_PURPOSE = ("use", "affected")
MOST_CLASSES = 6
Pairs = tuple[tuple[str, str], ...]


def facts(audit: Audit) -> Pairs:
    """Name and text of each fact under the verdict."""
    rows = ", ".join(f"{line(d.split)} {count(d.rows)}" for d in audit.data)
    found = [
        (text("facts.model"), _does(audit.model)),
        (text("facts.technical"), _technical(audit.model)),
        (text("facts.rows"), rows),
    ]
    if audit.run is not None:
        found.append((text("facts.date"), moment(audit.run.started)))
    return tuple((name, said) for name, said in found if said)


def _does(model: ModelSummary) -> str:
    classes = [f"“{line(name, 60)}”" for name in model.classes or ()]
    if model.task == TaskKind.BINARY and len(classes) == 2 and model.positive is not None:
        first, second = classes
        return text("facts.binary", first=first, second=second, positive=f"“{line(model.positive, 60)}”")
    if model.task == TaskKind.REGRESSION:
        return text("facts.regression")
    if classes:
        return text("facts.multiclass", count=count(len(classes)), names=join(classes, MOST_CLASSES))
    return line(model.task)


def _technical(model: ModelSummary) -> str:
    kind = f"{line(model.description, 300)} ({line(model.kind)})" if model.description else line(model.kind)
    parts = [kind, line(model.task)]
    if model.parameters:
        parts.append(text("facts.parameters", count=count(model.parameters)))
    if model.threshold is not None and model.positive is not None:
        parts.append(
            text("facts.threshold", threshold=bound(model.threshold), positive=f"“{line(model.positive, 60)}”")
        )
    return ", ".join(parts)


def moment(iso: str) -> str:
    """`2026-11-24 14:26 UTC`; what is no time is shown as it is."""
    try:
        at = datetime.fromisoformat(iso)
    except ValueError:
        return line(iso)
    if at.tzinfo is None:
        return at.strftime("%Y-%m-%d %H:%M")
    return text("facts.utc", moment=at.astimezone(UTC).strftime("%Y-%m-%d %H:%M"))


def purpose(audit: Audit) -> Pairs:
    """The intended use and who is affected, said to be missing where the plan does not state them."""
    return tuple(
        (text(f"context.{key}"), clean(audit.context.get(key) or text("context.unstated"), 400)) for key in _PURPOSE
    )


def context(audit: Audit) -> Pairs:
    """All that the plan says of the use of the model."""
    known = [(text(f"context.{key}"), audit.context[key]) for key in CONTEXT if audit.context.get(key)]
    other = [(line(key), value) for key, value in audit.context.items() if key not in CONTEXT and value]
    return tuple((name, clean(value)) for name, value in (*known, *other))

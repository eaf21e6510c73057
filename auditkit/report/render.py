"""Render an audit into files. What is rendered is the audit alone: neither the model nor the rows are needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditkit.core.audit import Audit
from auditkit.core.files import write_text
from auditkit.core.registry import Registry
from auditkit.report.format import Format, Pages

FORMATS: Registry[Format] = Registry(
    "report format",
    {
        "json": "auditkit.report.audit_json:FORMAT",
        "html": "auditkit.report.html:FORMAT",
        "md": "auditkit.report.markdown:FORMAT",
        "junit": "auditkit.report.junit:FORMAT",
        "sarif": "auditkit.report.sarif:FORMAT",
    },
    group="auditkit.formats",
)


def render(audit: Audit, format: str, pages: Pages | None = None) -> str:
    """`audit` as text in one of `FORMATS`. Raises `PlanError` for an unknown format.

    `pages` maps a check's id to the sections of its page (`core.check.page`), from which "how to read this" is taken.
    """
    return FORMATS.get(format).render(audit, pages or {})


def write(audit: Audit, directory: Path, formats: Sequence[str], pages: Pages | None = None) -> list[Path]:
    """Write each format into `directory` under its usual name, whole or not at all; gives the paths written.

    Everything is rendered before the first file is touched. Raises `PlanError` for an unknown format, `OSError` where
    the directory can't be written.
    """
    texts = {FORMATS.get(name).filename: render(audit, name, pages) for name in formats}
    directory.mkdir(parents=True, exist_ok=True)
    for filename, text in texts.items():
        write_text(directory / filename, text)
    return [directory / filename for filename in texts]

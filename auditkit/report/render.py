"""Render an audit into files. What is rendered is the audit alone: neither the model nor the rows are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from auditkit.core.audit import Audit
from auditkit.core.files import write_together
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


def filenames() -> dict[str, str]:
    """The usual name of each format's file, and the format."""
    return {FORMATS.get(name).filename: name for name in FORMATS.names()}


def render(audit: Audit, format: str, pages: Pages | None = None) -> str:
    """`audit` as text in one of `FORMATS`. Raises `PlanError` for an unknown format.

    `pages` maps a check's id to the sections of its page (`core.check.page`), from which "how to read this" is taken.
    """
    return FORMATS.get(format).render(audit, pages or {})


def render_all(audit: Audit, formats: Sequence[str], pages: Pages | None = None) -> dict[str, str]:
    """Each format as text, by the usual name of its file. Raises `PlanError` for an unknown format."""
    return {FORMATS.get(name).filename: render(audit, name, pages) for name in formats}


def write(audit: Audit, directory: Path, formats: Sequence[str], pages: Pages | None = None) -> list[Path]:
    """Write each format into `directory` under its usual name, whole or not at all; gives the paths written.

    Everything is rendered before the first file is touched. Raises `PlanError` for an unknown format, `OSError` where
    the directory can't be written.
    """
    return write_texts(render_all(audit, formats, pages), directory)


def write_texts(texts: Mapping[str, str], directory: Path) -> list[Path]:
    """Write rendered formats by file name: where the disk is full, every old file is still what it was.

    Gives the paths written. Raises `OSError` where the directory can't be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    write_together(directory, {filename: text.encode("utf-8") for filename, text in texts.items()})
    return [directory / filename for filename in texts]

"""Where the templates are, and the one Jinja environment that renders them."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from auditkit.core.errors import UnfinishedError
from auditkit.report.messages import text
from auditkit.report.text import clean


def template_directory() -> Path:
    """`auditkit/report/templates` as a wheel has it, else `reports/templates` of the source tree.

    Raises `UnfinishedError` where neither is there: a broken installation.
    """
    here = Path(__file__).resolve().parent
    for candidate in (here / "templates", here.parents[1] / "reports" / "templates"):
        if (candidate / "report.html.j2").is_file():
            return candidate
    raise UnfinishedError(f"the templates of the report are missing from {here}; install auditkit again")


def _safe(value: object) -> object:
    """What every `{{ … }}` passes through: strings lose control characters before they are escaped."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.cache
def environment() -> Environment:
    """The environment: autoescape for every name of a template, and no silent gaps."""
    made = Environment(
        loader=FileSystemLoader(template_directory()),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["text"] = text
    return made


def source(name: str) -> str:
    """A template file's text, unrendered (the style sheet)."""
    return (template_directory() / name).read_text(encoding="utf-8")

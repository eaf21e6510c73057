"""What commands print on stdout, and the options that several of them share."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from auditkit.core.audit import Audit

_Function = TypeVar("_Function", bound=Callable[..., Any])
FORMATS = ("html", "json", "md", "junit", "sarif")


def _split_formats(ctx: click.Context, parameter: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for value in given for name in value.split(",")))
    for name in names:
        if name not in FORMATS:
            from auditkit.core.errors import nearest

            raise click.BadParameter(f"no format {name!r}{nearest(name, FORMATS)}; there are {', '.join(FORMATS)}")
    return names


def formats_option(function: _Function) -> _Function:
    """Add `--format` to a command."""
    return click.option(
        "--format",
        "formats",
        multiple=True,
        default=("html",),
        show_default=True,
        callback=_split_formats,
        help="html, json, md, junit, sarif; several by commas or by repeating. audit.json is always written.",
    )(function)


def show(audit: Audit, *, quiet: bool, groups: bool = False) -> None:
    """Print the verdict and the gates."""
    from auditkit.report.terminal import verdict_table

    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120
    click.echo(verdict_table(audit, color=color, width=width, quiet=quiet, groups=groups))

"""What commands print on stdout, and the options that several of them share."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from auditkit.core.audit import Audit
from auditkit.core.errors import UnfinishedError

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


def emit(text: str) -> None:
    """Print a result. A reader who went away (`| head`) changes nothing of what the command answers by its code.

    Raises `UnfinishedError` where the result can't be written: to a full disk, it would be lost without a word.
    """
    if sys.stdout is None:
        return
    try:
        click.echo(text)
    except BrokenPipeError:
        # The interpreter flushes stdout once more when it ends; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise UnfinishedError(f"the result can't be written to standard output ({error.strerror})") from None


def tell(text: str) -> None:
    """Say something on stderr. Where nobody can hear it (a closed pipe, a full disk) the work goes on all the same."""
    if sys.stderr is None:
        return
    try:
        click.echo(text, err=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def show(audit: Audit, *, quiet: bool, groups: bool = False) -> None:
    """Print the verdict and the gates."""
    from auditkit.report.terminal import verdict_table

    terminal = sys.stdout is not None and sys.stdout.isatty()
    color = terminal and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((120, 24)).columns if terminal else 120
    emit(verdict_table(audit, color=color, width=width, quiet=quiet, groups=groups))
    if not quiet and audit.model.positive is not None:
        emit(_favourable(audit, audit.model.positive))
    if not quiet and audit.model.trusted:
        _show_trusted(audit)


def _show_trusted(audit: Audit) -> None:
    """What could run code and was loaded all the same."""
    from auditkit.report.text import terminal
    from auditkit.report.trusted import trusted_files

    for said in trusted_files(audit):
        emit(f"trusted: {terminal(said, 400)}")


def _favourable(audit: Audit, positive: str) -> str:
    """Which label counts as favourable: every rate of every group turns on it, so a guess is said aloud."""
    from auditkit.cli.text import safe

    if audit.plan.get("data", {}).get("positive") is not None:
        return f"favourable label: {safe(repr(positive))}"
    return f"favourable label: {safe(repr(positive))} (a guess: the last of the labels; name it to be sure)"

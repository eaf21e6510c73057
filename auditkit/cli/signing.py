"""The `--sign` option, and passwords of keys: from the environment, else asked for on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from auditkit.cli.output import tell

if TYPE_CHECKING:
    from auditkit.pipeline.attest.keys import Signer
    from auditkit.pipeline.attest.write import Attested

_Function = TypeVar("_Function", bound=Callable[..., Any])


def sign_option(function: _Function) -> _Function:
    """Add `--sign` to a command."""
    return click.option(
        "--sign",
        type=click.Path(path_type=Path),
        metavar="KEY",
        help="Sign the attestation with this private key; see `auditkit keygen`.",
    )(function)


def signer_of(path: Path | None) -> Signer | None:
    """The key of `--sign`, loaded before any work is done. Raises `PlanError` where it can't be used."""
    if path is None:
        return None
    from auditkit.pipeline.attest.keys import PasswordNeededError, load_signer

    try:
        signer = load_signer(path)
    except PasswordNeededError:
        if not asking():
            raise
        signer = load_signer(path, click.prompt(f"Password of {path}", hide_input=True, err=True))
    if signer.exposed:
        tell(f"auditkit: {path} can be read by others than you; chmod 600 keeps the key yours")
    return signer


def asking() -> bool:
    """Whether somebody sits at a terminal who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def attested_line(attested: Attested) -> str:
    """What is said of an attestation that was just written."""
    signed = "unsigned" if attested.key_id is None else f"signed by key {attested.key_id}"
    return f"{attested.path.name}: {attested.path} ({signed})"

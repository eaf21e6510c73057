"""`auditkit keygen`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from auditkit.cli.output import emit
from auditkit.cli.signing import asking


@click.command("keygen")
@click.argument("name", default="auditkit", type=click.Path(path_type=Path))
@click.option("--encrypt", is_flag=True, help="Ask for a password that the private key is encrypted with.")
def command(name: Path, encrypt: bool) -> int:
    """Make a key pair (Ed25519) to sign audits with: NAME.key and NAME.pub, by default auditkit.key and auditkit.pub.

    NAME.key is the private key, for `run --sign`: readable for you alone, and encrypted where --encrypt is given or
    AUDITKIT_SIGNING_KEY_PASSWORD is set. NAME.pub is for those who verify: `verify --key`. Hand it to them by a way
    that nobody else can write to. Nothing is ever overwritten.
    """
    from auditkit.core.errors import PlanError
    from auditkit.pipeline.attest.keys import PASSWORD_VARIABLE, generate

    password = os.environ.get(PASSWORD_VARIABLE) or None
    if encrypt and password is None:
        if not asking():
            raise PlanError(f"--encrypt: nobody can be asked for a password here; give it in {PASSWORD_VARIABLE}")
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    secret, public, key_id = generate(name, password)
    emit(f"private key: {secret} ({'encrypted' if password else 'not encrypted: whoever can read it can sign'})")
    emit(f"public key: {public}")
    emit(f"key id: {key_id}")
    return 0

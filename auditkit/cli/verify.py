"""`auditkit verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditkit.cli.output import emit
from auditkit.cli.text import safe

if TYPE_CHECKING:
    from auditkit.pipeline.attest.statement import Predicate
    from auditkit.pipeline.attest.verify import Verification


@click.command(
    "verify",
    epilog="""\b
Exit codes: 0 nothing was altered; 1 something was, the signature is not by that key, or the run never finished;
2 the command line is wrong; 4 the attestation can't be read.""",
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), metavar="PUB", help="The public key of who must have signed.")
@click.option(
    "--plan", type=click.Path(path_type=Path), help="Also compare the model and the data that this plan names now."
)
def command(directory: Path, key: Path | None, plan: Path | None) -> int:
    """Verify that the finished audit in DIRECTORY was not altered: its result, reports, evidence and journal.

    With --key, any alteration is found, and who signed. Without, or where nothing was signed, only accidents are ruled
    out: whoever alters an audit can write a new attestation. A whole directory that was put back as it once was is
    genuine: look at the run and its time, and give --plan.
    """
    from auditkit.pipeline.attest.keys import load_verifier
    from auditkit.pipeline.attest.verify import verify
    from auditkit.pipeline.load import load_plan

    verifier = None if key is None else load_verifier(key)
    found = verify(directory, verifier, None if plan is None else load_plan(plan))
    for line in found.lines:
        emit(f"{line.outcome.value:<8}{safe(_flat(line.what))}: {safe(_flat(line.text))}")
    if found.statement is not None:
        _tell(found.statement.predicate)
    emit(_conclusion(found))
    return 0 if found.whole else 1


def _tell(said: Predicate) -> None:
    """Which audit it is: whoever verifies has to see that it is the one that was expected."""
    verdict = f"{said.verdict} (exit code {said.exit_code})"
    emit(f"audit   {safe(_flat(f'{said.name}: {verdict}, by auditkit {said.auditkit}, seed {said.seed}'))}")
    emit(f"run     {safe(_flat(f'{said.run.id}, finished {said.run.finished}'))}")


def _conclusion(found: Verification) -> str:
    if not found.whole:
        return "NOT VERIFIED"
    if found.signed_by is not None:
        return f"verified: nothing was altered since it was signed by key {found.signed_by}"
    return "unaltered as far as can be told: no signature was checked, which rules out accidents, but no forgery"


def _flat(text: str) -> str:
    """On one line: a file's name may hold line breaks, and could pretend to be a line of ours."""
    return text.replace("\n", "\\n").replace("\t", "\\t")

"""`auditkit run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from auditkit.cli.main import options_of
from auditkit.cli.output import emit, formats_option, show, tell
from auditkit.cli.progress import progress_for
from auditkit.cli.signing import attested_line, sign_option, signer_of


@click.command("run")
@click.argument("plan", type=click.Path(path_type=Path, readable=False))
@click.option("--out", type=click.Path(path_type=Path), help="Run directory; default audits/<name>-<date>-<id>.")
@formats_option
@click.option("--device", help="auto, cpu, cuda, cuda:0, ...; wins over the plan.")
@click.option("--seed", type=click.IntRange(min=0), help="Wins over the plan's run.seed.")
@click.option("--resume", is_flag=True, help="Go on with an earlier run; nothing finished is repeated.")
@click.option(
    "--allow-inconclusive", is_flag=True, help="Exit 0 where all undecided gates merely straddle their bound."
)
@sign_option
@click.option(
    "--trust",
    multiple=True,
    metavar="sha256:DIGEST",
    help="The digest of a file that may run code when it is loaded (pickle, joblib, TorchScript, .pt2, Python); "
    "repeatable. What is refused for want of trust prints its flag.",
)
@click.option(
    "--trust-file",
    type=click.Path(path_type=Path),
    help="A list of such digests: one a line, `sha256:DIGEST`, then any comment. It stands outside of the model's "
    "folder and of all that the plan names.",
)
@click.option("--trust-code", is_flag=True, help="The Python files that the plan names are your own.")
@click.option(
    "--no-sandbox", is_flag=True, help="Load the model without Landlock and seccomp, where the machine has none."
)
@click.pass_context
def command(ctx: click.Context, /, plan: Path, out: Path | None, **options: Any) -> int:
    """Audit what PLAN describes, and write the run directory: audit.json, report.html, evidence/, journal.jsonl,
    attestation.json."""
    from auditkit.pipeline.grants import grant, unused
    from auditkit.pipeline.load import load_plan
    from auditkit.pipeline.run import run_plan

    overrides = {key: options[key] for key in ("device", "seed") if options[key] is not None}
    quiet = options_of(ctx)["quiet"]
    signer = signer_of(options["sign"])
    loaded = load_plan(plan, overrides)
    trust = grant(
        loaded.plan,
        digests=options["trust"],
        file=options["trust_file"],
        code=options["trust_code"],
        sandbox=not options["no_sandbox"],
    )
    result = run_plan(
        loaded,
        out=out,
        resume=options["resume"],
        formats=options["formats"],
        allow_inconclusive=options["allow_inconclusive"],
        progress=progress_for(quiet=quiet),
        trust=trust,
        signer=signer,
    )
    for digest in unused(result.audit, options["trust"]):
        tell(f"auditkit: --trust {digest} matched no file of the model")
    show(result.audit, quiet=quiet)
    for path in result.files:
        emit(f"{path.name}: {path}")
    emit(attested_line(result.attested))
    return result.audit.exit_code

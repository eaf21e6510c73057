"""`auditkit demo`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from auditkit.cli.main import options_of
from auditkit.cli.output import emit, show
from auditkit.cli.progress import progress_for


@click.command("demo")
@click.argument("name", default="census")
@click.option("--out", type=click.Path(path_type=Path), help="Where to work; default auditkit-demo/NAME.")
@click.pass_context
def command(ctx: click.Context, name: str, out: Path | None) -> int:
    """Run the whole job on real data that comes with auditkit: write a plan, train a network, audit it, report.

    NAME is `census` (the default). Exits with 0 when the demo itself worked, whatever the verdict is.
    """
    from auditkit.core.errors import PlanError
    from auditkit.demos.registry import DEMOS
    from auditkit.pipeline.load import load_plan
    from auditkit.pipeline.run import run_plan
    from auditkit.pipeline.train import train_plan

    write = DEMOS.get(name)
    quiet = options_of(ctx)["quiet"]
    progress = progress_for(quiet=quiet)
    directory = out or Path("auditkit-demo") / name
    if directory.is_dir() and any(directory.iterdir()):
        if not (directory / "audit.yaml").is_file():
            raise PlanError(f"--out {directory}: holds other files; choose an empty or a new directory")
        if out is not None:
            raise PlanError(f"--out {directory}: holds an earlier demo; choose a new directory")
        shutil.rmtree(directory)
    plan = write(directory)
    loaded = load_plan(plan)
    train_plan(loaded, out=None, resume=False, progress=progress)
    result = run_plan(
        loaded,
        out=directory / "audit",
        resume=False,
        formats=("html",),
        allow_inconclusive=False,
        progress=progress,
    )
    show(result.audit, quiet=quiet)
    emit(f"report: {directory / 'audit' / 'report.html'}")
    emit(f"plan:   {plan}")
    emit(f"next:   copy the plan, change a gate, and run it: auditkit run {plan}")
    emit(f"        (as a gate of CI that run would exit with {result.audit.exit_code}; the demo itself exits with 0)")
    return 0

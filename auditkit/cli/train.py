"""`auditkit train`."""

from __future__ import annotations

from pathlib import Path

import click

from auditkit.cli.main import options_of
from auditkit.cli.output import emit
from auditkit.cli.progress import progress_for


@click.command("train")
@click.argument("plan", type=click.Path(path_type=Path, readable=False))
@click.option("--out", type=click.Path(path_type=Path), help="Model directory; default the plan's model.path.")
@click.option("--device", help="auto, cpu, cuda, cuda:0, ...; wins over the plan.")
@click.option("--seed", type=click.IntRange(min=0), help="Wins over the plan's run.seed.")
@click.option("--resume", is_flag=True, help="Go on after the last finished epoch.")
@click.pass_context
def command(
    ctx: click.Context, plan: Path, out: Path | None, device: str | None, seed: int | None, resume: bool
) -> int:
    """Train the model that PLAN's `train:` section describes, and leave a directory that `auditkit run` can audit."""
    from auditkit.pipeline.load import load_plan
    from auditkit.pipeline.train import train_plan

    overrides = {key: value for key, value in (("device", device), ("seed", seed)) if value is not None}
    progress = progress_for(quiet=options_of(ctx)["quiet"])
    loaded = load_plan(plan, overrides)
    result = train_plan(loaded, out=out, resume=resume, progress=progress)
    emit(f"model: {result.path}")
    emit(f"epochs: {result.epochs_run}, best: {result.best_epoch}")
    planned = loaded.plan.model.path
    first = (
        "" if planned is not None and result.path.resolve() == planned.resolve() else "name it under model.path, then "
    )
    emit(f"next: {first}auditkit run {plan}")
    return 0

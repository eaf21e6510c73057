"""`auditkit gate`."""

from __future__ import annotations

from pathlib import Path

import click

from auditkit.cli.main import options_of
from auditkit.cli.output import emit, formats_option, show
from auditkit.cli.progress import progress_for
from auditkit.cli.signing import attested_line, sign_option, signer_of


@click.command("gate")
@click.argument("predictions", type=click.Path(path_type=Path, readable=False))
@click.option("--target", required=True, metavar="C", help="Column of the true labels or values.")
@click.option("--prediction", required=True, metavar="C", help="Column of the model's predictions.")
@click.option("--score", metavar="C", help="Column of the score of the positive label.")
@click.option("--positive", metavar="V", help="The favourable label of a binary target.")
@click.option("--sensitive", multiple=True, metavar="C", help="Column of groups; each is judged separately.")
@click.option("--max", "maxima", multiple=True, metavar="METRIC=X", help="Upper bound; METRIC@sex=X names one column.")
@click.option("--min", "minima", multiple=True, metavar="METRIC=X", help="Lower bound; @sex×race or @sex*race also.")
@click.option("--weight", metavar="C", help="Column of row weights.")
@click.option("--cluster", metavar="C", help="Column that names rows which belong together.")
@click.option("--id", metavar="C", help="Column that names the entry of each row in the table of --attributes.")
@click.option(
    "--attributes",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="Second table with --sensitive columns.",
)
@click.option("--attributes-id", metavar="C", help="Its column of ids, where it has another name than --id.")
@click.option(
    "--band", "bands", multiple=True, metavar="C=EDGES", help="Cut numbers into groups: age=25,45,65, age=4, age=none."
)
@click.option("--out", type=click.Path(path_type=Path), help="Also write a run directory.")
@sign_option
@formats_option
@click.option(
    "--allow-inconclusive", is_flag=True, help="Exit 0 where all undecided gates merely straddle their bound."
)
@click.pass_context
def command(
    ctx: click.Context,
    predictions: Path,
    target: str,
    prediction: str,
    score: str | None,
    positive: str | None,
    sensitive: tuple[str, ...],
    maxima: tuple[str, ...],
    minima: tuple[str, ...],
    weight: str | None,
    cluster: str | None,
    id: str | None,
    attributes: Path | None,
    attributes_id: str | None,
    bands: tuple[str, ...],
    out: Path | None,
    sign: Path | None,
    formats: tuple[str, ...],
    allow_inconclusive: bool,
) -> int:
    """Gate PREDICTIONS (parquet, csv, jsonl, arrow), one row a prediction. At least one bound must be given."""
    from auditkit.pipeline.gate_file import GateRequest, gate_file, parse_bands, parse_bound

    if out is None and ctx.get_parameter_source("formats") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--format needs --out: name the directory to write to", ctx)
    if out is None and sign is not None:
        raise click.UsageError("--sign needs --out: what is signed is the run directory", ctx)
    bounds = [parse_bound("--max", text) for text in maxima] + [parse_bound("--min", text) for text in minima]
    request = GateRequest(
        target=target,
        prediction=prediction,
        score=score,
        positive=positive,
        sensitive=tuple(dict.fromkeys(sensitive)),
        bounds=tuple(bounds),
        weight=weight,
        cluster=cluster,
        id=id,
        attributes=attributes,
        attributes_id=attributes_id,
        bands=parse_bands(bands),
    )
    quiet = options_of(ctx)["quiet"]
    signer = signer_of(sign)
    audit, result = gate_file(
        predictions,
        request,
        out=out,
        formats=formats,
        allow_inconclusive=allow_inconclusive,
        progress=progress_for(quiet=True),
        signer=signer,
    )
    show(audit, quiet=quiet, groups=True)
    for path in result.files if result else ():
        emit(f"{path.name}: {path}")
    if result is not None:
        emit(attested_line(result.attested))
    return audit.exit_code

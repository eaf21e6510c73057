"""`auditkit report`."""

from __future__ import annotations

from pathlib import Path

import click

from auditkit.cli.output import emit, formats_option


@click.command("report")
@click.argument("directory", type=click.Path(path_type=Path))
@formats_option
@click.option("--out", type=click.Path(path_type=Path), help="Write into this directory instead of DIRECTORY.")
def command(directory: Path, formats: tuple[str, ...], out: Path | None) -> int:
    """Render a finished audit in DIRECTORY again, from audit.json alone: the model and the data are not touched."""
    from auditkit.pipeline.render import render_again

    for path in render_again(directory, formats, out):
        emit(f"{path.name}: {path}")
    return 0

"""`auditkit report`."""

from __future__ import annotations

from pathlib import Path

import click

from auditkit.cli.output import emit, formats_option


@click.command("report")
@click.argument("directory", type=click.Path(path_type=Path))
@formats_option
def command(directory: Path, formats: tuple[str, ...]) -> int:
    """Render a finished audit in DIRECTORY again, from audit.json alone: the model and the data are not touched."""
    from auditkit.pipeline.render import render_again

    for path in render_again(directory, formats):
        emit(f"{path.name}: {path}")
    return 0

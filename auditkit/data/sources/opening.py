"""From a path to a source, by the suffix of the file's name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from auditkit.core.errors import Problem, nearest
from auditkit.data.sources.base import Source
from auditkit.data.sources.delimited import DelimitedSource
from auditkit.data.sources.files import Fingerprint, fingerprint, shown_name
from auditkit.data.sources.ipc import ArrowSource
from auditkit.data.sources.jsonl import JsonlSource
from auditkit.data.sources.parquet import ParquetSource


@dataclass(frozen=True)
class Format:
    """A file format: its name, whether it is text, and what opens it."""

    name: str
    text: bool
    build: Callable[[Fingerprint], Source]


_CSV = Format("csv", True, lambda mark: DelimitedSource(mark, ","))
_TSV = Format("tsv", True, lambda mark: DelimitedSource(mark, "\t"))
_JSONL = Format("jsonl", True, JsonlSource)
_PARQUET = Format("parquet", False, ParquetSource)
_ARROW = Format("arrow", False, ArrowSource)

FORMATS = {
    ".parquet": _PARQUET,
    ".pq": _PARQUET,
    ".csv": _CSV,
    ".tsv": _TSV,
    ".jsonl": _JSONL,
    ".ndjson": _JSONL,
    ".arrow": _ARROW,
    ".feather": _ARROW,
    ".ipc": _ARROW,
}


def path_problem(where: str, path: Path) -> Problem | None:
    """What a plan got wrong about a file before it is opened: it isn't there, or its format isn't known."""
    if "\0" in str(path):
        return Problem(where, "the path holds a NUL character")
    if not os.path.lexists(path):
        return Problem(where, f"no file {shown_name(path)!r}{_neighbour(path)}")
    if path.is_symlink() and _dangling(path):
        return Problem(where, f"{shown_name(path)!r} is a link to a file that isn't there")
    if path.suffix.lower() not in FORMATS and path.is_file():
        known = ", ".join(FORMATS)
        return Problem(where, f"{shown_name(path)!r} has no suffix that says its format; known are {known}")
    return None


def open_source(path: Path) -> Source:
    """Hash the file, make sure that it is what its suffix says, and open it.

    Raises `InputRefusedError` in one line for whatever can't be read.
    """
    form = FORMATS.get(path.suffix.lower(), _CSV)
    return form.build(fingerprint(path, form.name, text=form.text))


def _dangling(path: Path) -> bool:
    try:
        os.stat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _neighbour(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return ""
    return nearest(path.name, names[:10_000])

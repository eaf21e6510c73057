"""`auditkit report`: a finished audit rendered again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from auditkit.checks.registry import CHECKS
from auditkit.core.audit import Audit
from auditkit.core.check import page
from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.pipeline.attest.refresh import cover, refuse_signed
from auditkit.pipeline.rundir import locked
from auditkit.report.render import render_all, write, write_texts

MAX_BYTES = 200_000_000


def pages() -> dict[str, dict[str, str]]:
    """The page of every check, as sections: what it measures, how, how to read it, its source."""
    return {name: page(CHECKS.get(name)) for name in CHECKS.names()}


def write_reports(audit: Audit, directory: Path, formats: Sequence[str]) -> list[Path]:
    """Write `audit.json` and the wanted formats, each whole or not at all."""
    return write(audit, directory, ["json", *(name for name in formats if name != "json")], pages())


def read_audit(directory: Path) -> Audit:
    """The audit in a run directory. Raises `PlanError` where there is none, `InputRefusedError` where it is broken."""
    path = directory / "audit.json"
    if not path.is_file():
        raise PlanError(f"{directory}: holds no audit.json; name the directory of a finished audit")
    if path.stat().st_size > MAX_BYTES:
        raise InputRefusedError(f"{path}: is larger than {MAX_BYTES:,} bytes")
    try:
        return Audit.from_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputRefusedError(f"{path}: is no audit that this version can read: {place}: {first['msg']}") from None


def render_again(directory: Path, formats: Sequence[str], out: Path | None = None) -> list[Path]:
    """Write the wanted formats beside `audit.json`, which stays as it is, or into `out`.

    Raises `PlanError` where a report would take the place of one that is signed and reads differently, or of a file
    in `out`, or where a run is writing into `directory`.
    """
    if out is not None:
        texts = _rendered(directory, formats)
        _refuse_existing(out, texts)
        return write_texts(texts, out)
    read_audit(directory)
    with locked(directory):
        texts = _rendered(directory, formats)  # read again: a run may have finished until now
        refuse_signed(directory, texts)
        written = write_texts(texts, directory)
        cover(directory, texts)
    return written


def _rendered(directory: Path, formats: Sequence[str]) -> dict[str, str]:
    return render_all(read_audit(directory), [name for name in formats if name != "json"], pages())


def _refuse_existing(out: Path, names: Iterable[str]) -> None:
    there = [name for name in names if (out / name).is_symlink() or (out / name).exists()]
    if out.exists() and not out.is_dir():
        raise PlanError(f"--out {out}: is a file; name a directory")
    if there:
        raise PlanError(f"--out {out}: holds {', '.join(there)}; choose another directory")

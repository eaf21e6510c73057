"""`auditkit report`: a finished audit rendered again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from auditkit.core.audit import Audit
from auditkit.core.errors import InputRefusedError, PlanError

MAX_BYTES = 200_000_000


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


def render_again(directory: Path, formats: Sequence[str]) -> list[Path]:
    """Write the wanted formats beside `audit.json`, which stays as it is."""
    from auditkit.checks.registry import pages
    from auditkit.report.render import write

    audit = read_audit(directory)
    wanted = [name for name in formats if name != "json"]
    return write(audit, directory, wanted, pages())

"""What rendering a finished audit again does to its attestation."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.core.files import write_bytes
from auditkit.pipeline.attest.dsse import Envelope
from auditkit.pipeline.attest.files import ATTESTATION, UnsoundFileError, digest_below
from auditkit.pipeline.attest.statement import AUDIT_FILE, RUN, Statement, subjects
from auditkit.pipeline.attest.write import read_attestation


def refuse_signed(directory: Path, texts: Mapping[str, str]) -> None:
    """Raise `PlanError` where a report would take the place of one that is signed and reads differently: another
    version of auditkit renders differently, and only a new signature could cover that."""
    envelope, statement = _attestation(directory)
    if envelope is None or statement is None or not envelope.signatures:
        return
    covered = statement.digests(RUN)
    changed = [name for name, text in texts.items() if covered.get(name, _sha256(text)) != _sha256(text)]
    if changed and not _audit_as_attested(directory, covered):
        raise PlanError(
            f"{directory / AUDIT_FILE}: was altered since it was signed, and so would be {', '.join(changed)}; "
            "--out writes elsewhere"
        )
    if changed:
        raise PlanError(
            f"{directory}: the signature covers {', '.join(changed)}, which this version of auditkit renders "
            "differently; --out writes elsewhere"
        )


def cover(directory: Path, texts: Mapping[str, str]) -> None:
    """Let an unsigned attestation cover reports that were rendered again. A signed one stays as it is: `verify` renders
    what it doesn't cover, and compares. So does one whose audit was altered: that must stay to be seen."""
    envelope, statement = _attestation(directory)
    if envelope is None or statement is None or envelope.signatures:
        return
    covered = statement.digests(RUN)
    if not _audit_as_attested(directory, covered):
        return
    rendered = {name: _sha256(text) for name, text in texts.items()}
    if all(covered.get(name) == digest for name, digest in rendered.items()):
        return
    others = [subject for subject in statement.subject if not subject.name.startswith(RUN)]
    reports = tuple(sorted({*statement.predicate.reports, *rendered}))
    changed = statement.model_copy(
        update={
            "subject": (*subjects(RUN, {**covered, **rendered}), *others),
            "predicate": statement.predicate.model_copy(update={"reports": reports}),
        }
    )
    write_bytes(directory / ATTESTATION, Envelope(changed.to_json()).to_json())


def _audit_as_attested(directory: Path, covered: Mapping[str, str]) -> bool:
    try:
        return digest_below(directory, AUDIT_FILE) == covered.get(AUDIT_FILE)
    except UnsoundFileError:
        return False


def _attestation(directory: Path) -> tuple[Envelope, Statement] | tuple[None, None]:
    """The attestation, unverified; none where it is absent or broken, which is for `verify` to say."""
    with contextlib.suppress(UnsoundFileError, InputRefusedError):
        return read_attestation(directory)
    return None, None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()

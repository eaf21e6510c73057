"""`auditkit verify`: is a finished audit what its attestation says, and who says so?

The order is that of DSSE's protocol: signature, then the payload's type, then the payload, then the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from auditkit.core.audit import Audit
from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.pipeline.attest.checked import Findings, Line
from auditkit.pipeline.attest.dsse import MAX_BYTES, PAYLOAD_TYPE, Envelope, parse_envelope
from auditkit.pipeline.attest.files import ATTESTATION, UnsoundFileError, digest_below, listed, read_below
from auditkit.pipeline.attest.history import check_journal, last_event
from auditkit.pipeline.attest.keys import Verifier
from auditkit.pipeline.attest.named import check_plan
from auditkit.pipeline.attest.statement import AUDIT_FILE, JOURNAL_FILE, RUN, Statement, parse_statement
from auditkit.pipeline.load import LoadedPlan
from auditkit.pipeline.render import MAX_BYTES as MAX_AUDIT_BYTES
from auditkit.pipeline.render import pages
from auditkit.pipeline.rundir import EVIDENCE, LOCK
from auditkit.report.render import filenames, render


@dataclass(frozen=True)
class Verification:
    """What `verify` found. `signed_by` is the key that vouches for it: None where no signature was checked, which rules
    out accidents alone. `statement` is None where it did not get that far."""

    lines: tuple[Line, ...]
    whole: bool
    signed_by: str | None = None
    statement: Statement | None = None


def verify(directory: Path, verifier: Verifier | None = None, plan: LoadedPlan | None = None) -> Verification:
    """Look at a run directory: the signature where there is a key, every file that the attestation covers, every file
    that it doesn't, and with a `plan` the model and the data that the plan names now.

    Raises `PlanError` where the directory holds no audit, `InputRefusedError` where its attestation can't be read.
    """
    if not directory.is_dir():
        raise PlanError(f"{directory}: is no directory; name the directory of a finished audit")
    found = Findings()
    where = directory / ATTESTATION
    try:
        content = read_below(directory, ATTESTATION, MAX_BYTES)
    except UnsoundFileError as error:
        _unattested(directory, str(error), found)
        return Verification(tuple(found.lines), whole=False)
    envelope = parse_envelope(content, str(where))
    signed_by = _check_signature(envelope, verifier, found)
    if not found.whole:
        return Verification(tuple(found.lines), whole=False)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise InputRefusedError(f"{where}: its payload is of the type {envelope.payload_type[:100]!r}, not in-toto's")
    statement = parse_statement(envelope.payload, str(where))
    _check_files(directory, statement, found)
    check_plan(statement, plan, found)
    return Verification(tuple(found.lines), found.whole, signed_by, statement)


def _unattested(directory: Path, why: str, found: Findings) -> None:
    present = {name for name in (AUDIT_FILE, JOURNAL_FILE, LOCK) if (directory / name).exists()}
    if not present:
        raise PlanError(f"{directory}: holds no audit; name the directory of a finished one")
    if last_event(directory) == "end":
        text = f"{ATTESTATION} {why}: it was removed, or the run was killed just before it wrote it; --resume writes it"
    else:
        text = "the run has not finished, so nothing is attested; --resume goes on with it"
    found.bad("unfinished", text)


def _check_signature(envelope: Envelope, verifier: Verifier | None, found: Findings) -> str | None:
    """Who signed, as far as it was checked. A claimed key id decides nothing."""
    count = len(envelope.signatures)
    claimed = ", ".join(sorted({signature.key_id[:64] or "(none named)" for signature in envelope.signatures}))
    if verifier is None:
        found.note(
            "signature",
            f"not checked: it claims to be by key {claimed}; give --key" if count else "none: the audit was not signed",
        )
        return None
    if not count:
        found.bad("signature", "none: the audit was not signed, or its signature was removed")
        return None
    signature = envelope.signature_of(verifier)
    if signature is None:
        found.bad("signature", f"none by key {verifier.key_id} over these contents; it claims to be by key {claimed}")
        return None
    found.good("signature", f"by key {verifier.key_id}")
    if signature.key_id not in ("", verifier.key_id):
        found.note("signature", f"it names another key, {signature.key_id[:64]}, which means nothing")
    if count > 1:
        found.note("signature", f"{count - 1} more, which this key did not check")
    return verifier.key_id


def _check_files(directory: Path, statement: Statement, found: Findings) -> None:
    """Every covered file, then whatever else lies there."""
    covered = statement.digests(RUN)
    wrong: dict[str, str] = {}
    for name, digest in covered.items():
        try:
            if digest_below(directory, name) != digest:
                wrong[name] = "was changed"
        except UnsoundFileError as error:
            wrong[name] = str(error)
    audit = _check_audit(directory, statement, wrong.get(AUDIT_FILE), found)
    check_journal(directory, statement, wrong.get(JOURNAL_FILE), found)
    rest = [name for name in covered if name not in (AUDIT_FILE, JOURNAL_FILE)]
    found.all_bad((name, wrong[name]) for name in rest if name in wrong)
    for name in rest:
        if name not in wrong and not name.startswith(f"{EVIDENCE}/"):
            found.good(name, "as attested")
    evidence = [name for name in rest if name.startswith(f"{EVIDENCE}/")]
    if evidence and not any(name in wrong for name in evidence):
        found.good(EVIDENCE, f"{len(evidence)} files as attested" if len(evidence) > 1 else "1 file as attested")
    _check_others(directory, audit, covered, found)


def _check_audit(directory: Path, statement: Statement, wrong: str | None, found: Findings) -> Audit | None:
    """The audit itself, and that the attestation says of it what it says. None where it can't be relied on."""
    if wrong is not None:
        found.bad(AUDIT_FILE, wrong)
        return None
    try:
        audit = Audit.from_json(read_below(directory, AUDIT_FILE, MAX_AUDIT_BYTES))
    except (UnsoundFileError, ValidationError) as error:
        found.bad(AUDIT_FILE, str(error) if isinstance(error, UnsoundFileError) else "is no audit")
        return None
    said = statement.predicate
    run = audit.run.id if audit.run is not None else None
    if (audit.verdict.value, audit.exit_code, run) != (said.verdict, said.exit_code, said.run.id):
        found.bad(AUDIT_FILE, f"the attestation speaks of another: run {said.run.id}, {said.verdict}")
        return None
    found.good(AUDIT_FILE, "as attested")
    return audit


def _check_others(directory: Path, audit: Audit | None, covered: Mapping[str, str], found: Findings) -> None:
    """Files that nobody attested. A report that was rendered later is right where this version makes the same of the
    attested audit; nothing else belongs there."""
    added: list[tuple[str, str]] = []
    formats = filenames()
    for name in listed(directory):
        if name in covered:
            continue
        if name not in formats:
            added.append((name, "is not covered: it was added after the audit"))
        elif audit is not None and _rendered(directory, audit, name, formats[name]):
            found.good(name, f"not covered, but it is what this version of auditkit renders from {AUDIT_FILE}")
        else:
            added.append((name, "is not covered, and not what this version of auditkit renders"))
    found.all_bad(added)


def _rendered(directory: Path, audit: Audit, name: str, format: str) -> bool:
    try:
        return read_below(directory, name, MAX_AUDIT_BYTES) == render(audit, format, pages()).encode("utf-8")
    except UnsoundFileError:
        return False

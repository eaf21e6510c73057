"""Writing `attestation.json`: the last act of a run, so that whatever it covers is finished."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from auditkit.core.audit import Audit, RunRecord
from auditkit.core.errors import InputRefusedError, UnfinishedError
from auditkit.core.files import write_bytes
from auditkit.core.finding import Finding
from auditkit.data.dataset import ATTRIBUTES
from auditkit.pipeline.attest.dsse import MAX_BYTES, Envelope, parse_envelope
from auditkit.pipeline.attest.files import ATTESTATION, UnsoundFileError, digest_below, listed, read_below
from auditkit.pipeline.attest.inputs import ModelFiles, as_text
from auditkit.pipeline.attest.keys import Signer
from auditkit.pipeline.attest.statement import (
    AUDIT_FILE,
    DATA,
    JOURNAL_FILE,
    MODEL,
    NAMED,
    PLAN,
    RUN,
    DataPart,
    GatePart,
    JournalPart,
    ModelPart,
    PlanPart,
    Predicate,
    RunPart,
    Statement,
    TrustedPart,
    parse_statement,
    subjects,
)
from auditkit.pipeline.journal import Journal
from auditkit.pipeline.prepared import Prepared
from auditkit.pipeline.rundir import EVIDENCE
from auditkit.report.render import filenames

SUPERSEDED = "superseded-"


@dataclass(frozen=True)
class Attested:
    """The attestation of a run: where it lies, and the key that signed it (None: unsigned)."""

    path: Path
    key_id: str | None


def attest(
    directory: Path, audit: Audit, prepared: Prepared, model: ModelFiles, journal: Journal, signer: Signer | None
) -> Attested:
    """Write the attestation of a finished run: an in-toto Statement in a DSSE envelope, signed where there is a key.

    `model` was hashed before the model was loaded. The journal must have its last line. Raises `UnfinishedError` where
    a file of the run can't be read any more, `OSError` where the attestation can't be written.
    """
    names = [name for name in listed(directory) if _ours(name)]
    try:
        run = {name: digest_below(directory, name) for name in names}
    except UnsoundFileError as error:
        raise UnfinishedError(f"{directory}: a file of this run {error}; run again with --resume") from None
    data = _data(prepared)
    plan = {} if prepared.plan_sha256 is None else {as_text(Path(prepared.source).name): prepared.plan_sha256}
    statement = Statement(
        subject=(
            *subjects(RUN, run),
            *subjects(MODEL, model.files),
            *subjects(NAMED, model.named),
            *subjects(DATA, {part.name: part.sha256 for part in data if part.file is not None}),
            *subjects(PLAN, plan),
        ),
        predicate=_predicate(
            audit, prepared, model, data, journal, tuple(n for n in names if n in filenames() and n != AUDIT_FILE)
        ),
    )
    envelope = Envelope(statement.to_json())
    if signer is not None:
        envelope = envelope.signed(signer)
    write_bytes(directory / ATTESTATION, envelope.to_json())
    return Attested(directory / ATTESTATION, None if signer is None else signer.key_id)


def _ours(name: str) -> bool:
    """Whether auditkit writes a file of that name into a run directory."""
    return name in (JOURNAL_FILE, *filenames()) or name.startswith((f"{EVIDENCE}/", SUPERSEDED))


def _data(prepared: Prepared) -> tuple[DataPart, ...]:
    """What was read: each split and the second table, with the name of its file."""
    spec = prepared.plan.data
    paths = dict(spec.splits)
    if spec.attributes is not None:
        paths[ATTRIBUTES] = spec.attributes.path
    # A frame in memory has a path, too ("in memory"); that it is no file tells them apart.
    return tuple(
        DataPart(name=name, file=as_text(paths[name].name) if paths[name].is_file() else None, sha256=digest)
        for name, digest in prepared.dataset.digests.items()
    )


def _predicate(
    audit: Audit,
    prepared: Prepared,
    model: ModelFiles,
    data: tuple[DataPart, ...],
    journal: Journal,
    reports: Sequence[str],
) -> Predicate:
    assert audit.run is not None
    return Predicate(
        auditkit=audit.environment.auditkit,
        name=audit.name,
        run=_run(audit.run),
        verdict=audit.verdict.value,
        exit_code=audit.exit_code,
        gates=tuple(map(_gate, audit.gated)),
        seed=audit.environment.seed,
        device=audit.environment.device,
        isolation=audit.environment.isolation,
        trusted=tuple(TrustedPart(path=as_text(t.path), sha256=t.sha256, by=t.by) for t in audit.model.trusted),
        model=ModelPart(kind=audit.model.kind, sha256=model.sha256),
        data=data,
        plan=PlanPart(
            file=None if prepared.plan_sha256 is None else as_text(Path(prepared.source).name),
            understood=prepared.digest,
        ),
        journal=_journal(journal),
        reports=tuple(reports),
    )


def _run(record: RunRecord) -> RunPart:
    """Times in the form of RFC 3339 with "Z", as in-toto has them."""
    started, finished = (time.replace("+00:00", "Z") for time in (record.started, record.finished))
    return RunPart(id=record.id, started=started, finished=finished, resumed=record.resumed)


def _journal(journal: Journal) -> JournalPart:
    size = journal.path.stat().st_size
    return JournalPart(head=journal.entries[-1].digest, lines=len(journal.entries), bytes=size)


def _gate(finding: Finding) -> GatePart:
    return GatePart(
        id=finding.id,
        check=finding.check,
        metric=finding.metric,
        split=finding.scope.split,
        attribute=finding.scope.attribute,
        status=finding.status.value,
        value=finding.value,
        interval=finding.interval,
    )


def read_attestation(directory: Path) -> tuple[Envelope, Statement]:
    """The attestation in a run directory, unverified.

    Raises `UnsoundFileError` where it is not there, `InputRefusedError` where it is broken.
    """
    where = str(directory / ATTESTATION)
    envelope = parse_envelope(read_below(directory, ATTESTATION, MAX_BYTES), where)
    return envelope, parse_statement(envelope.payload, where)


def was_signed(directory: Path) -> bool:
    """Whether an earlier run left a signed attestation there. It stays until the new one takes its place: what has
    changed since makes it fail, and the journal, which goes on, says why."""
    with contextlib.suppress(UnsoundFileError, InputRefusedError):
        return bool(read_attestation(directory)[0].signatures)
    return False

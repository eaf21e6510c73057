"""`auditkit run`: a plan file becomes a run directory with `audit.json`, the report, the evidence and the journal."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from auditkit.core.audit import Audit, RunRecord
from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.core.files import write_bytes
from auditkit.core.finding import Finding
from auditkit.core.model import Model
from auditkit.core.progress import Progress
from auditkit.data.dataset import Input
from auditkit.models.trust import NOBODY, Trust
from auditkit.pipeline.attest.files import ATTESTATION
from auditkit.pipeline.attest.inputs import ModelFiles, model_files
from auditkit.pipeline.attest.keys import Signer
from auditkit.pipeline.attest.write import Attested, attest, was_signed
from auditkit.pipeline.audit import perform
from auditkit.pipeline.grants import granted_to
from auditkit.pipeline.journal import Journal
from auditkit.pipeline.load import LoadedPlan
from auditkit.pipeline.plan import Plan
from auditkit.pipeline.prepared import Clock, Prepared
from auditkit.pipeline.problems import Parts, look_over
from auditkit.pipeline.render import write_reports
from auditkit.pipeline.rundir import EVIDENCE, JOURNAL, RunDirectory, choose_directory, locked
from auditkit.probes.store import DirectoryStore
from auditkit.report.render import filenames


@dataclass(frozen=True)
class RunResult:
    """A finished run: the audit, where it lies, and the files that were rendered."""

    audit: Audit
    directory: Path
    files: tuple[Path, ...]
    attested: Attested


@dataclass
class RunKeeper:
    """Keeps journal lines, digests of evidence tables and the findings of finished checks under the run directory."""

    journal: Journal
    directory: Path
    _folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self._folder = self.directory / EVIDENCE / ".checks"

    def record(self, event: str, **fields: Any) -> None:
        """See `Keeper`."""
        self.journal.record(event, **fields)

    def findings(self, check: str, key: str) -> list[Finding] | None:
        """See `Keeper`. Only what the journal says was kept is taken back: a file that was edited is not."""
        kept_before = [e.fields for e in self.journal.entries if e.event == "check"]
        digests = {fields.get("content") for fields in kept_before if fields.get("check") == check}
        try:
            content = (self._folder / f"{check}.json").read_bytes()
            kept = json.loads(content)
            if kept["key"] != key or hashlib.sha256(content).hexdigest() not in digests:
                return None
            return [Finding.model_validate(finding) for finding in kept["findings"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def keep(self, check: str, key: str, findings: Sequence[Finding]) -> None:
        """See `Keeper`."""
        self._folder.mkdir(exist_ok=True)
        dumped = {"key": key, "findings": [finding.model_dump(mode="json", by_alias=True) for finding in findings]}
        content = json.dumps(dumped, allow_nan=False).encode()
        write_bytes(self._folder / f"{check}.json", content)
        digest = hashlib.sha256(content).hexdigest()
        self.journal.record("check", check=check, findings=len(findings), content=digest)

    def remember(self, table: str, key: str, sha256: str) -> None:
        """See `Ledger`."""
        self.journal.record("table", table=table, key=key, sha256=sha256)

    def known(self, table: str, key: str) -> str | None:
        """See `Ledger`."""
        for entry in reversed(self.journal.entries):
            if entry.event == "table" and (entry.fields.get("table"), entry.fields.get("key")) == (table, key):
                return str(entry.fields.get("sha256"))
        return None


def run_plan(
    loaded: LoadedPlan,
    *,
    out: Path | None,
    resume: bool,
    formats: Sequence[str],
    allow_inconclusive: bool,
    progress: Progress,
    trust: Trust = NOBODY,
    signer: Signer | None = None,
) -> RunResult:
    """Audit what a plan describes, and attest it, signed where there is a `signer`. `trust`: see `pipeline.grants`.

    Raises `AuditkitError` with the exit code of the contract.
    """
    directory = choose_directory(loaded.plan.name, out, resume)
    try:
        prepared = prepare(loaded, progress, trust)
    except InputRefusedError:
        if resume and (directory / JOURNAL).is_file():
            with locked(directory):
                _set_aside(directory)  # the data changed into something unreadable: the old verdict is not theirs
        raise
    prepared.allow_inconclusive = allow_inconclusive
    return run_prepared(prepared, directory=directory, resume=resume, formats=formats, signer=signer)


def run_prepared(
    prepared: Prepared, *, directory: Path, resume: bool, formats: Sequence[str], signer: Signer | None = None
) -> RunResult:
    """Run a prepared audit into a locked directory, with a journal line for everything that happens.

    Reports come first, then the journal's last line, then the attestation of all of it.
    """
    plan = prepared.plan
    began, started = time.perf_counter(), datetime.now(UTC)
    with RunDirectory(directory, resume=resume, inputs=input_paths(plan)) as place:
        journal = Journal(directory / JOURNAL)
        try:
            resumed = bool(journal.entries)
            model = model_files(plan.model, prepared.stated.model)
            inputs = {"plan": prepared.digest, "data": prepared.dataset.digests, "model": model.digest}
            inputs["trust"] = granted_to(prepared.trust, model)
            if not _same_inputs(journal, inputs):
                _set_aside(directory)
            journal.record("start", name=plan.name, resumed=resumed, **inputs)
            prepared.keeper = keeper = RunKeeper(journal, directory)
            prepared.store = store = DirectoryStore(directory / EVIDENCE, keeper)
            clock = Clock()
            audit = perform(prepared, clock)
            store.tidy()
            place.require_held()
            record = _record(clock, began, started, resumed)
            audit = audit.model_copy(update={"run": record})
            _refuse_changed_model(audit, model)
            files = write_reports(audit, directory, [*formats, *_present(directory, formats)])
            if not plan.run.keep_evidence:
                shutil.rmtree(directory / EVIDENCE)
            journal.record("end", verdict=audit.verdict.value, exit_code=audit.exit_code, run=record.id)
            if signer is None and was_signed(directory):
                prepared.progress.say(f"{directory}: was signed; without --sign its new attestation is not")
            attested = attest(directory, audit, prepared, model, journal, signer)
        except BaseException as error:
            # A full disk must not hide its own message behind that of the journal.
            with contextlib.suppress(OSError):
                journal.record("stopped", error=type(error).__name__, message=str(error))
            raise
        finally:
            journal.close()
    return RunResult(audit, directory, tuple(files), attested)


def _refuse_changed_model(audit: Audit, model: ModelFiles) -> None:
    """What was hashed at the start must be what was loaded: the attestation names each file of it."""
    changed = None not in (audit.model.sha256, model.sha256) and audit.model.sha256 != model.sha256
    known = {model.sha256, *model.files.values(), *model.named.values()}
    if changed or any(file.sha256 not in known for file in audit.model.trusted):
        raise InputRefusedError("the model's file changed before it was loaded; run again once nothing writes to it")


def _present(directory: Path, formats: Sequence[str]) -> list[str]:
    """Formats that an earlier run left in the directory: they are rendered again, for this audit is another."""
    return [name for file, name in filenames().items() if name not in formats and (directory / file).is_file()]


def _same_inputs(journal: Journal, inputs: dict[str, Any]) -> bool:
    starts = [entry.fields for entry in journal.entries if entry.event == "start"]
    return bool(starts) and all(starts[-1].get(key) == value for key, value in inputs.items())


def _set_aside(directory: Path) -> None:
    """Rename the results of other inputs, so that nobody reads an old verdict if this run can't be finished.

    Those that were set aside before stay as they are: a signed audit among them is still one.
    """
    names = (*filenames(), ATTESTATION)
    prefixes = (f"superseded-{number}-" if number > 1 else "superseded-" for number in itertools.count(1))
    prefix = next(p for p in prefixes if not any((directory / f"{p}{name}").exists() for name in names))
    for name in names:
        path = directory / name
        if path.is_file():
            os.replace(path, directory / f"{prefix}{name}")


def _record(clock: Clock, began: float, started: datetime, resumed: bool) -> RunRecord:
    seconds = time.perf_counter() - began
    # A clock that is set back while a run goes on does not let it finish before it started.
    finished = max(datetime.now(UTC), started + timedelta(seconds=seconds))
    return RunRecord(
        id=uuid.uuid4().hex,
        started=started.isoformat(timespec="seconds"),
        finished=finished.isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        stages={name: round(seconds, 3) for name, seconds in clock.stages.items()},
        resumed=resumed,
    )


def input_paths(plan: Plan) -> list[Path]:
    """Every file or directory that the plan reads."""
    return [*plan.data.paths, *plan.model.paths]


def prepare(loaded: LoadedPlan, progress: Progress, trust: Trust = NOBODY) -> Prepared:
    """Open the data and check everything that can be checked before the model is loaded.

    Raises `PlanError` with all problems at once, `InputRefusedError` where the data can't be read.
    """
    plan = loaded.plan
    looked = look_over(Parts.of(plan))
    loaded.refuse(looked.problems)
    dataset = looked.dataset
    assert dataset is not None
    return Prepared(
        plan=plan,
        stated=loaded.stated,
        digest=loaded.digest,
        dataset=dataset,
        checks=looked.checks,
        open_model=None if plan.model.kind == "predictions" else lambda: _open_model(plan, dataset.inputs, trust),
        trust=trust,
        progress=progress,
        source=str(loaded.source or "plan"),
        plan_sha256=loaded.document.sha256,
        locate=lambda error: PlanError(loaded.located(error.problems), str(loaded.source or "plan")),
    )


def _open_model(plan: Plan, inputs: Sequence[Input], trust: Trust) -> Model:
    """The model, loaded in its worker process."""
    from auditkit.models.open import open_model

    return open_model(plan.model, inputs=inputs, device=plan.run.device, trust=trust)

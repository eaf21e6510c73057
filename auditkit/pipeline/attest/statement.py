"""What an attestation says: an in-toto Statement, version 1, with our own predicate.

Source: github.com/in-toto/attestation, spec/v1/statement.md and spec/v1/predicate.md. Unknown fields are ignored, as
the specification has it; those that are known have to be right.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from auditkit.core.errors import InputRefusedError
from auditkit.models.reading import parse_json

STATEMENT: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
PREDICATE: Literal["urn:auditkit:attestation:audit:v1"] = "urn:auditkit:attestation:audit:v1"
#: More files than these are not attested one by one.
MAX_SUBJECTS = 100_000
#: What the names of subjects start with: files of the run directory, of the model, those that the plan names beside the
#: model, the data, and the plan.
RUN, MODEL, NAMED, DATA, PLAN = "run/", "model/", "named/", "data/", "plan/"
AUDIT_FILE, JOURNAL_FILE = "audit.json", "journal.jsonl"

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, protected_namespaces=(), populate_by_name=True)


class DigestSet(_Part):
    """Digests of one artifact; SHA-256 is the one that counts."""

    sha256: _Sha256


class Subject(_Part):
    """One file: its name, below one of the prefixes above, and its digest."""

    name: str = Field(min_length=1)
    digest: DigestSet


class RunPart(_Part):
    """Which run it was, and when."""

    id: str
    started: str
    finished: str
    resumed: bool


class GatePart(_Part):
    """What became of one gate."""

    id: str
    check: str
    metric: str
    split: str | None = None
    attribute: str | None = None
    status: str
    value: float | None = Field(default=None, allow_inf_nan=False)
    interval: tuple[float, float] | None = None


class TrustedPart(_Part):
    """A file whose loading can run code, and who named it."""

    path: str
    sha256: str
    by: str


class ModelPart(_Part):
    """The model: `sha256` of its file, or of the manifest of its directory; None where it was no file."""

    kind: str
    sha256: str | None = None


class DataPart(_Part):
    """One split, or the second table. `file` is None where it was handed over in memory; `sha256` is its content's."""

    name: str
    file: str | None = None
    sha256: str


class PlanPart(_Part):
    """The plan: `file` is its name (None: it was no file), `understood` the digest of its meaning with all defaults and
    what the command line changed."""

    file: str | None = None
    understood: str


class JournalPart(_Part):
    """The journal: its last line's hash, how many lines it has, and how many bytes."""

    head: _Sha256
    lines: int = Field(ge=1)
    bytes: int = Field(ge=1)


class Predicate(_Part):
    """What was found, by what, and under which protection."""

    auditkit: str
    name: str
    run: RunPart
    verdict: str
    exit_code: int
    gates: tuple[GatePart, ...]
    seed: int
    device: str
    isolation: str
    trusted: tuple[TrustedPart, ...]
    model: ModelPart
    data: tuple[DataPart, ...]
    plan: PlanPart
    journal: JournalPart
    #: The rendered reports that are covered, by file name.
    reports: tuple[str, ...]


class Statement(_Part):
    """The whole: these subjects, and what is said of them."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(default=STATEMENT, alias="_type")
    subject: tuple[Subject, ...] = Field(max_length=MAX_SUBJECTS)
    predicate_type: Literal["urn:auditkit:attestation:audit:v1"] = Field(default=PREDICATE, alias="predicateType")
    predicate: Predicate

    def digests(self, prefix: str) -> dict[str, str]:
        """Name, without the prefix, to digest of the subjects whose name starts with it."""
        return {s.name.removeprefix(prefix): s.digest.sha256 for s in self.subject if s.name.startswith(prefix)}

    def to_json(self) -> bytes:
        """The payload of the envelope: ASCII."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), allow_nan=False).encode("ascii")


def subjects(prefix: str, digests: Mapping[str, str]) -> list[Subject]:
    """Files as subjects, in the order of their names."""
    return [Subject(name=prefix + name, digest=DigestSet(sha256=digests[name])) for name in sorted(digests)]


def parse_statement(payload: bytes, where: str) -> Statement:
    """Read a payload. Raises `InputRefusedError` that starts with `where` for what is no attestation of an audit.

    That is, among others: another `_type` or `predicateType`, no subject, two of one name, a name outside the known
    prefixes, a name of a file in the run directory that could lead out of it, and one that covers no `audit.json`.
    """
    parse_json(payload, where)  # refuses keys that stand there twice, which pydantic doesn't
    try:
        statement = Statement.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the payload"
        raise InputRefusedError(f"{where}: is no attestation of an audit: {place[:200]}: {first['msg']}") from None
    names = [subject.name for subject in statement.subject]
    wrong = next((reason for name in names if (reason := _wrong_name(name))), None)
    if wrong is None and len(set(names)) < len(names):
        wrong = f"two subjects have the name {Counter(names).most_common(1)[0][0]!r}"
    absent = [name for name in (AUDIT_FILE, JOURNAL_FILE) if RUN + name not in names]
    if wrong is None and absent:
        wrong = f"it covers no {absent[0]}"
    if wrong is not None:
        raise InputRefusedError(f"{where}: is no attestation of an audit: {wrong[:300]}")
    return statement


def _wrong_name(name: str) -> str | None:
    """Why a subject can't have that name. Only names below `run/` are ever opened, so only they are looked into."""
    prefix, slash, rest = name.partition("/")
    if prefix + slash not in (RUN, MODEL, NAMED, DATA, PLAN) or not rest:
        return f"a subject has the name {name!r}"
    parts = rest.split("/")
    if prefix + slash == RUN and ("\0" in rest or any(part in ("", ".", "..") for part in parts)):
        return f"the name {name!r} leads out of the run directory"
    return None

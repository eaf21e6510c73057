"""What a run leaves and a later one reads: `audit.json`, the journal, evidence, the findings of finished checks."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from auditkit.core.audit import Audit
from auditkit.pipeline.journal import GENESIS, Journal, read_journal
from auditkit.pipeline.render import pages, read_audit
from auditkit.pipeline.run import RunKeeper
from auditkit.probes.store import DirectoryStore
from auditkit.report.render import render
from auditkit.report.terminal import verdict_table
from tests.fuzz.mutators import json_mutation, mutate_lines
from tests.fuzz.target import Target
from tests.golden.make import HERE as GOLDEN

_MARKUP = re.compile(
    r"<\s*(script|iframe|object|embed|img|link(?! rel=\"icon\" href=\"data:,\")|base|form)\b", re.IGNORECASE
)
_WORDS = (
    "pass", "fail", "warn", "inconclusive", "error", "info", "skipped", "bias.groups", "performance.summary",
    "accuracy", "equalized_odds_difference", "sex", "sex×race", "F", "(missing)", "test", "train",
    "binary-classification", "bars", "intervals", "lines", "reliability", "max", "min", "relative_to", "baseline",
    "groups", "compared", "condition", "%",
)  # fmt: skip


@functools.cache
def _golden() -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((GOLDEN / "audit.json").read_text(encoding="utf-8"))
    tree["environment"] = {"auditkit": "1", "python": "3"}
    return tree


def audits() -> list[bytes]:
    """Small audits out of the golden one: the whole of it would take a search through megabytes."""
    tree, found = _golden(), []
    for start in (0, 8, 40):
        findings = [f for f in tree["findings"] if f.get("gate")][: 4 if start == 0 else 1]
        findings += tree["findings"][start : start + 6]
        found.append(json.dumps({**tree, "findings": findings}).encode())
    return found


def _audit(data: bytes, folder: Path) -> None:
    """What is read says the same once it is written again, and renders."""
    (folder / "audit.json").write_bytes(data)
    audit = read_audit(folder)
    again = Audit.from_json(audit.to_json())
    assert again == audit, "does not read back as it was written"
    assert_renders(audit)


def assert_renders(audit: Audit) -> None:
    """It renders in every format; nothing of it becomes markup, a command or an escape sequence."""
    html = render(audit, "html", pages())
    found = _MARKUP.search(html)
    assert found is None, f"markup in the report: {html[max(0, found.start() - 100) : found.end() + 100]!r}"
    assert "\x1b" not in html
    ET.fromstring(render(audit, "junit"))
    json.loads(render(audit, "sarif"), parse_constant=lambda name: 1 / 0)
    markdown = render(audit, "md")
    assert _MARKUP.search(markdown) is None
    assert "\x1b" not in verdict_table(audit, color=False, width=100, groups=True)
    markdown.encode()
    html.encode()


def _journal(data: bytes, folder: Path) -> None:
    """Whatever stands there: the valid lines are kept, the rest is cut away, and writing goes on after them."""
    path = folder / "journal.jsonl"
    path.write_bytes(data)
    entries, size = read_journal(path)
    assert size <= len(data)
    journal = Journal(path)
    journal.record("start", name="x")
    journal.close()
    after, whole = read_journal(path)
    assert whole == path.stat().st_size
    assert [e.digest for e in after[:-1]] == [e.digest for e in entries]
    assert len(after) == len(entries) + 1
    for entry in after:
        str(entry.fields.get("content"))


def _journals() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        journal = Journal(path)
        journal.record("start", name="a", resumed=False, plan="1", data={"test": "2"}, model=None)
        journal.record("scored", keys={"predictions": "3"})
        journal.record("check", check="bias.groups", findings=3, content="4")
        journal.record("end", verdict="pass", exit_code=0)
        journal.close()
        return [path.read_bytes()]


def _relinked(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    """Mutate one line by its tree and, mostly, link all lines anew: what lies behind the hashes is then read."""
    lines = data.splitlines()
    if rng.random() < 0.3 or not lines:
        return mutate_lines(data, rng, tokens)
    at = rng.randrange(len(lines))
    lines[at] = json_mutation(("start", "check", "end", "stopped"))(lines[at], rng, tokens)
    previous, found = GENESIS, []
    for sequence, line in enumerate(lines):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            line = json.dumps({**record, "previous": previous, "sequence": sequence}).encode()
        found.append(line + b"\n")
        previous = hashlib.sha256(found[-1]).hexdigest()
    return b"".join(found)


def _kept(data: bytes, folder: Path) -> None:
    """The findings of a finished check: even where the journal vouches for the bytes, they are findings or nothing."""
    journal = Journal(folder / "journal.jsonl")
    journal.record("check", check="bias.groups", content=hashlib.sha256(data).hexdigest())
    keeper = RunKeeper(journal, folder)
    (folder / "evidence" / ".checks").mkdir(parents=True)
    (folder / "evidence" / ".checks" / "bias.groups.json").write_bytes(data)
    try:
        found = keeper.findings("bias.groups", "key")
    finally:
        journal.close()
    assert found is None or all(finding.check is not None for finding in found)


def _kept_findings() -> list[bytes]:
    return [json.dumps({"key": "key", "findings": _golden()["findings"][:3]}).encode()]


def _evidence(data: bytes, folder: Path) -> None:
    """A file in the place of an evidence table counts only where it can be read as one of that key."""
    store = DirectoryStore(folder / "evidence")
    (folder / "evidence" / "predictions.parquet").write_bytes(data)
    store.finished("predictions", "k" * 64)


def _tables() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        rows = pa.table({"split": ["test"] * 20, "row": list(range(20)), "output:0": np.linspace(0, 1, 20)})
        store.write_part("predictions", "k" * 64, "0", rows)
        store.finish("predictions", "k" * 64, ["0"])
        return [(Path(folder) / "predictions.parquet").read_bytes()]


TARGETS = (
    Target(
        name="audit-json",
        about="`audit.json`, and every report of what it accepts",
        run=_audit,
        seeds=audits,
        traced=("auditkit.core", "auditkit.report", "auditkit.pipeline.render"),
        mutate=json_mutation(_WORDS),
        tokens=(b"<script>", b"null"),
        slow=True,
    ),
    Target(
        name="journal",
        about="`journal.jsonl`, and going on with it",
        run=_journal,
        seeds=_journals,
        traced=("auditkit.pipeline.journal",),
        mutate=_relinked,
        tokens=(b"\n", b"{}", b"null", b'"previous"', b"1" * 5000),
        codes=frozenset(),
    ),
    Target(
        name="kept-checks",
        about="the findings of finished checks",
        run=_kept,
        seeds=_kept_findings,
        traced=("auditkit.pipeline.run", "auditkit.core.finding"),
        mutate=json_mutation(_WORDS),
        codes=frozenset(),
    ),
    Target(
        name="evidence",
        about="an evidence table found by `--resume`",
        run=_evidence,
        seeds=_tables,
        traced=("auditkit.probes.store",),
        tokens=(b"PAR1",),
        codes=frozenset(),
    ),
)

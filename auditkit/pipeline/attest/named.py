"""The model, the data and the plan of today against those that were audited: what `verify --plan` adds."""

from __future__ import annotations

from pathlib import Path

from auditkit.core.errors import InputRefusedError
from auditkit.data.dataset import ATTRIBUTES
from auditkit.data.sources.files import open_regular
from auditkit.pipeline.attest.checked import Findings, differences
from auditkit.pipeline.attest.files import digest_of_stream
from auditkit.pipeline.attest.inputs import model_files
from auditkit.pipeline.attest.statement import MODEL, NAMED, PLAN, Statement
from auditkit.pipeline.load import LoadedPlan


def check_plan(statement: Statement, plan: LoadedPlan | None, found: Findings) -> None:
    """Hash what the plan names now, and compare; without a plan say that nobody looked."""
    if plan is None:
        inputs = [name for name, there in (("model", statement.predicate.model.sha256), ("data", True)) if there]
        found.note(" and ".join(inputs), "not looked at: --plan compares those that the plan names now")
        return
    _check_text(statement, plan, found)
    _check_model(statement, plan, found)
    _check_data(statement, plan, found)


def _check_text(statement: Statement, plan: LoadedPlan, found: Findings) -> None:
    attested = statement.digests(PLAN)
    if not attested:
        found.note("plan", "the audit was not made from a plan's file, so its text can't be compared")
    elif plan.document.sha256 in attested.values():
        found.good("plan", "the text that was audited")
    else:
        found.bad("plan", "is not the text that was audited")


def _check_model(statement: Statement, plan: LoadedPlan, found: Findings) -> None:
    said = statement.predicate.model
    try:
        now = model_files(plan.plan.model, plan.stated.model)
    except (InputRefusedError, OSError) as error:
        found.bad("model", str(error))
        return
    changed = differences(statement.digests(NAMED), now.named)
    if now.sha256 != said.sha256:
        # A single file may have another name and be the same; its digest says so above.
        files = differences(statement.digests(MODEL), now.files, "model/")
        changed = [*(files or [("model", "is not the one that was audited")]), *changed]
    found.all_bad(changed)
    if changed:
        return
    if said.sha256 is None:
        found.note("model", "the audit read no model's file")
    else:
        count = len(now.files) + len(now.named)
        found.good("model", f"the one that was audited ({count} file{'' if count == 1 else 's'})")


def _check_data(statement: Statement, plan: LoadedPlan, found: Findings) -> None:
    said = {part.name: part for part in statement.predicate.data}
    spec = plan.plan.data
    paths = dict(spec.splits) | ({} if spec.attributes is None else {ATTRIBUTES: spec.attributes.path})
    for name in sorted({*said, *paths}):
        what = f"data/{name}"
        if name not in said:
            found.bad(what, "was not part of the audit")
        elif said[name].file is None:
            found.note(what, "was handed over in memory, so it can't be compared")
        elif name not in paths:
            found.bad(what, "is no longer named by the plan")
        elif (digest := _digest(paths[name])) == said[name].sha256:
            found.good(what, "the file that was audited")
        else:
            found.bad(what, "is not the file that was audited" if digest else "can't be read any more")


def _digest(path: Path) -> str | None:
    """SHA-256 of a regular file; None where it is none, or can't be read."""
    try:
        with open_regular(path) as stream:
            return digest_of_stream(stream)
    except (InputRefusedError, OSError):
        return None

"""What the command line grants to the files of a plan. A plan, a model's files and the environment grant nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from auditkit.core.audit import Audit
from auditkit.core.errors import PlanError, Problem
from auditkit.models.trust import Trust
from auditkit.models.trust_file import parse_digest, read_trust_file
from auditkit.pipeline.attest.inputs import ModelFiles
from auditkit.pipeline.plan import Plan

Identity = tuple[int, int]


def grant(
    plan: Plan, *, digests: Sequence[str] = (), file: Path | None = None, code: bool = False, sandbox: bool = True
) -> Trust:
    """The trust that `--trust`, `--trust-file`, `--trust-code` and `--no-sandbox` grant.

    A list of digests stands outside of the model's folder and of all that the plan names: whoever changes the model
    could change the list as well. Raises `PlanError` with every problem.
    """
    problems: list[Problem] = []
    found: set[str] = set()
    for text in digests:
        try:
            found.add(parse_digest(text))
        except ValueError as error:
            problems.append(Problem("--trust", str(error)))
    if file is not None:
        try:
            found |= read_trust_file(file)
            problems += _place_problems(file, plan)
        except PlanError as error:
            problems += error.problems
    if problems:
        raise PlanError(problems)
    return Trust(frozenset(found), code, sandbox)


def granted_to(trust: Trust, model: ModelFiles) -> dict[str, Any] | None:
    """What was granted to the files of this model, for the journal: a run with less of it is another run."""
    known = {model.sha256, *model.files.values(), *model.named.values()}
    digests = sorted(digest for digest in trust.digests if digest in known)
    found = {"digests": digests, "code": trust.code, "sandbox": trust.sandbox}
    return found if digests or trust.code or not trust.sandbox else None


def unused(audit: Audit, digests: Sequence[str]) -> list[str]:
    """The digests that `--trust` named and that no file of the model has."""
    used = {audit.model.sha256, *(file.sha256 for file in audit.model.trusted)}
    return [digest for digest in dict.fromkeys(digests) if parse_digest(digest) not in used]


def _place_problems(file: Path, plan: Plan) -> list[Problem]:
    """Where the list lies inside of what the plan names, as it is given or once links are followed."""
    around = {*_identities(Path(os.path.abspath(file))), *_identities(Path(os.path.realpath(file)))}
    for guarded, what in _guarded(plan):
        if _identity(guarded) in around or _identity(Path(os.path.realpath(guarded))) in around:
            return [
                Problem(
                    f"--trust-file {file}",
                    f"stands in {what} ({guarded}): whoever can change that could change the list; keep it elsewhere",
                )
            ]
    return []


def _guarded(plan: Plan) -> Iterator[tuple[Path, str]]:
    model = plan.model
    if model.path is not None:
        # Neither raises for a name that is too long or a loop of links: what is wrong with the path is said later.
        yield (model.path if os.path.isdir(model.path) else model.path.parent), "the model's folder"
        yield Path(os.path.realpath(model.path)).parent, "the model's folder"
    for path in model.paths[1:]:
        yield path, "what the plan names as part of the model"
    for path in plan.data.paths:
        yield path, "what the plan names as data"


def _identities(path: Path) -> Iterator[Identity | None]:
    """Of a file and of every folder around it."""
    yield from map(_identity, (path, *path.parents))


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino

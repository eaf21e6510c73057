"""A Python file that predicts, checked before a worker runs it: every file that it may read is named by digest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from auditkit.core.errors import PlanError, Problem
from auditkit.core.model import Trusted
from auditkit.data.dataset import Input
from auditkit.models.opening import Opening
from auditkit.models.snapshot import Snapshots, digest_regular, take_trusted
from auditkit.models.spec import ModelSpec
from auditkit.models.trust import Trust
from auditkit.models.worker.request import OpenRequest

PREDICT = "predict"


def opening_of_function(spec: ModelSpec, inputs: Sequence[Input], trust: Trust, copies: Snapshots) -> Opening:
    """A Python file and what it reads, copied where all of it is trusted; the worker sees the copies alone.

    `--trust-code` covers Python files. Every other file needs its digest: code can run what it reads, whatever its
    format. Raises `InputRefusedError` with a flag for each file that nobody trusts, `PlanError` where a file does not
    lie beside the code or below.
    """
    assert spec.path is not None
    names = copied_names(spec.path, spec.files or ())
    digests = {path: digest_regular(path) for path in names}
    unknown = {p: sha for p, sha in digests.items() if trust.granted(p, sha, own_code=_is_code(p)) is None}
    if unknown:
        alone = list(unknown) == [spec.path]
        what = "Python code" if alone else "Python code, and files that it reads, which may steer it"
        raise trust.refusal(unknown, what, own_code=any(_is_code(path) for path in unknown))
    trusted: list[Trusted] = []
    for path, name in names.items():
        _, who = take_trusted(copies, path, "Python code", trust, own_code=_is_code(path), name=name)
        trusted.append(who)
    options = {
        "name": str(spec.path),
        "function": spec.function or PREDICT,
        "outputs": spec.outputs,
        "inputs": [column.name for column in inputs],
    }
    copy = copies.directory / names[spec.path]
    request = OpenRequest("python", copy, options=options, reads=(copies.directory,), name=str(spec.path))
    return Opening(request, trusted[0].sha256, tuple(trusted))


def copied_names(code: Path, files: Sequence[Path]) -> Mapping[Path, PurePath]:
    """Every file, the code first, and where its copy lies: as the original does, seen from the code's folder.

    Raises `PlanError` for a file outside of that folder, and for one that is named twice.
    """
    folder = os.path.normpath(code.parent)
    names = {code: PurePath(code.name)}
    for position, path in enumerate(files):
        name = PurePath(os.path.relpath(os.path.normpath(path), folder))
        if name.parts[0] == os.pardir:
            raise PlanError(Problem(f"model.files[{position}]", f"lies outside of the folder of {code.name}"))
        if name in names.values():
            raise PlanError(Problem(f"model.files[{position}]", f"names {name} a second time"))
        names[path] = name
    return names


def _is_code(path: Path) -> bool:
    """By its name and by that of what it leads to: a link called `x.py` may lead to the labels."""
    return path.suffix == ".py" and os.path.realpath(path).endswith(".py")

"""A torch file of somebody else, checked before a worker opens it. No torch is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from auditkit.core.errors import InputRefusedError, PlanError, Problem
from auditkit.core.files import sha256_file
from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.opening import Opening
from auditkit.models.reading import MEGABYTE, open_regular
from auditkit.models.refuse import CodeFormat, code_format
from auditkit.models.snapshot import Snapshots, take_trusted
from auditkit.models.spec import ModelSpec
from auditkit.models.torch_file.archive import WEIGHTS, TorchFile, check_torch_file
from auditkit.models.trust import Trust
from auditkit.models.worker.request import OpenRequest

MAX_FILE = 64 * 1024 * MEGABYTE
#: What else could be done with a file that runs code when it is loaded.
_INSTEAD = (
    "The weights alone are data: save them, `torch.save(model.state_dict(), 'weights.pt')`, and name the code that "
    "builds the module as model.builder"
)
_READS = "zip archives of torch.save, TorchScript and torch.export, safetensors, and what `auditkit train` leaves"
_SAVE_AGAIN = (
    "What torch.save wrote before version 1.6 can't be checked: load it yourself where you trust it, and save it again "
    "as `torch.save(torch.load(path, weights_only=True), 'weights.pt')`"
)


def opening_of_torch_file(
    spec: ModelSpec, path: Path, inputs: Sequence[Input], trust: Trust, copies: Snapshots
) -> Opening:
    """Check a torch file, and see who trusts what of it can run code.

    A state_dict (torch.save or safetensors) is data, checked and read where it lies; its `builder` is code and has to
    be trusted. TorchScript, torch.export and pickled modules are code: they have to be trusted themselves.
    Raises `InputRefusedError` for a file that is malformed, of another kind, or code that nobody trusts; `PlanError`
    where the plan does not say what the file needs.
    """
    found = _check(path, path)
    problems = [*_tensor_problems(spec, inputs), *_builder_problems(spec, path, found)]
    if found.form in WEIGHTS:
        if problems:
            raise PlanError(problems)
        return _weights(spec, path, found, inputs, trust, copies)
    copy, trusted = take_trusted(copies, path, found.what, trust, instead=_INSTEAD)
    if problems:
        raise PlanError(problems)
    if _check(copy, path).form != found.form:
        raise InputRefusedError(f"{path}: changed while it was read; try again once nothing writes to it")
    request = OpenRequest(found.form, copy, options=_options(spec, path, inputs), name=str(path))
    return Opening(request, trusted.sha256, (trusted,))


def _check(path: Path, where: Path) -> TorchFile:
    """What the file is. `where` is how messages call it."""
    known = code_format(path)
    found = None
    if known is None or known.family != "other":
        with open_regular(path) as (stream, size):
            if size > MAX_FILE:
                raise InputRefusedError(f"{where}: {size:,} bytes, more than the {MAX_FILE:,} that are read")
            found = check_torch_file(stream, size, str(where))
    if found is None:
        raise _no_torch_file(where, known)
    return found


def _no_torch_file(where: Path, known: CodeFormat | None) -> InputRefusedError:
    if known is None:
        return InputRefusedError(f"{where}: none of the files that `kind: torch` reads: {_READS}")
    old = known.family in ("pickle", "torch.save") or known.what.startswith("a tar archive")
    return InputRefusedError(
        f"{where}: {known.what}: loading it can run code of whoever made it, and it is none of the files that "
        f"`kind: torch` reads: {_READS}. {_SAVE_AGAIN if old else 'Save the model as one of these'}."
    )


def _weights(
    spec: ModelSpec, path: Path, found: TorchFile, inputs: Sequence[Input], trust: Trust, copies: Snapshots
) -> Opening:
    """A state_dict and its builder. The weights are read where they lie, and hashed before and after."""
    code = spec.builder_file
    assert code is not None
    digest = sha256_file(path)
    copy, trusted = take_trusted(copies, code, "Python code", trust, own_code=True, name=PurePath("builder.py"))
    options = {
        **_options(spec, path, inputs),
        "form": found.form,
        "builder": {"path": str(copy), "name": str(code), "function": spec.builder_function},
    }
    request = OpenRequest("state_dict", path, options=options, reads=(copy,), name=str(path))
    return Opening(request, digest, (trusted,), in_place={path: digest})


def _options(spec: ModelSpec, path: Path, inputs: Sequence[Input]) -> dict[str, Any]:
    """What every loader of a torch file is told, as JSON."""
    categories = spec.preprocess.categories if spec.preprocess is not None else {}
    return {
        "name": str(path),
        "inputs": [[column.name, column.kind.value] for column in inputs],
        "categories": {name: list(labels) for name, labels in categories.items()},
        "outputs": spec.outputs,
        "classes": None if spec.classes is None else list(spec.classes),
    }


def _tensor_problems(spec: ModelSpec, inputs: Sequence[Input]) -> list[Problem]:
    """What the plan must say so that rows become a tensor, and the tensor that comes back means something."""
    problems = []
    if not inputs:
        problems.append(Problem("data.inputs", "a torch module needs at least one input"))
    if spec.outputs is None:
        problems.append(
            Problem("model.outputs", "say what the module answers: `logits`, `probabilities` or `values` (regression)")
        )
    known = spec.preprocess.categories if spec.preprocess is not None else {}
    unknown = [c.name for c in inputs if c.kind is InputKind.CATEGORICAL and c.name not in known]
    if unknown:
        problems.append(
            Problem(
                "model.preprocess.categories",
                f"a torch module reads numbers, and {', '.join(map(repr, unknown[:5]))} "
                f"{'hold' if len(unknown) > 1 else 'holds'} text: list the labels in the order of their numbers, as "
                f"`preprocess: {{categories: {{{unknown[0]}: [...]}}}}`, or leave the column out of data.inputs",
            )
        )
    names = {column.name for column in inputs}
    problems += [
        Problem(f"model.preprocess.categories.{name}", "not among the inputs") for name in known if name not in names
    ]
    return problems


def _builder_problems(spec: ModelSpec, path: Path, found: TorchFile) -> list[Problem]:
    if found.form in WEIGHTS and spec.builder is None:
        return [
            Problem(
                "model.builder",
                f"{path.name} holds weights and no architecture; name the Python file and the function in it that "
                "builds the module, as `builder: net.py:make`",
            )
        ]
    if found.form not in WEIGHTS and spec.builder is not None:
        what = found.what if found.form != "pickled" else "a pickled module"
        return [Problem("model.builder", f"{path.name} is {what}, which needs no builder; leave it out")]
    return []

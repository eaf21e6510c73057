"""A torch file of somebody else, checked before a worker opens it. No torch is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from auditkit.core.errors import InputRefusedError, PlanError, Problem
from auditkit.core.files import sha256_file
from auditkit.core.model import Trusted
from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.opening import Opening
from auditkit.models.reading import MEGABYTE, open_regular
from auditkit.models.refuse import code_format
from auditkit.models.snapshot import Snapshots, take_trusted
from auditkit.models.spec import ModelSpec
from auditkit.models.torch_file.archive import TorchFile, check_torch_file
from auditkit.models.trust import Trust
from auditkit.models.worker.request import OpenRequest

MAX_FILE = 64 * 1024 * MEGABYTE
_WEIGHTS = ("state_dict", "safetensors")
#: What else could be done with a file that runs code when it is loaded.
_INSTEAD = (
    "Or save the weights alone, `torch.save(model.state_dict(), 'weights.pt')`, and name the code that builds the "
    "module as model.builder"
)
_LEGACY = (
    "only files that torch.save has written as zip archives (since version 1.6) can be checked. Load it yourself where "
    "you trust it, and save it again: `torch.save(torch.load(path, weights_only=True), 'weights.pt')`"
)


def opening_of_torch_file(
    spec: ModelSpec, path: Path, inputs: Sequence[Input], trust: Trust, copies: Snapshots
) -> Opening:
    """Check a torch file, and see who trusts what of it can run code.

    A state_dict (torch.save or safetensors) is data, checked and read where it lies; its `builder` is code and has to be
    trusted. TorchScript, torch.export and pickled modules are code: they have to be trusted themselves.
    Raises `PlanError` where the plan does not say what the file needs, `InputRefusedError` for a file that is malformed,
    of another kind, or code that nobody trusts.
    """
    found = _check(path)
    problems = [*_tensor_problems(spec, inputs), *_builder_problems(spec, path, found)]
    if problems:
        raise PlanError(problems)
    if found.form in _WEIGHTS:
        return _weights(spec, path, found, inputs, trust, copies)
    copy, trusted = take_trusted(copies, path, found.what, trust, instead=_INSTEAD)
    if _check(copy, path).form != found.form:
        raise InputRefusedError(f"{path}: changed while it was read; try again once nothing writes to it")
    request = OpenRequest(found.form, copy, options=_options(spec, path, inputs), name=str(path))
    return Opening(request, trusted.sha256, (trusted,))


def _check(path: Path, name: Path | None = None) -> TorchFile:
    """What the file is. `name` is how messages call it."""
    where = name or path
    # The name tells nothing here: `.pt` and `.bin` are told apart by what they hold.
    known = code_format(path)
    with open_regular(path, limit=MAX_FILE) as (stream, size):
        head = stream.read(4)
        stream.seek(0)
        if head != b"PK\x03\x04" and known is not None and known.family != "python" and head[:1] != b"\0":
            legacy = known.family in ("pickle", "torch.save") or known.what.startswith("a tar archive")
            raise InputRefusedError(f"{where}: {known.what}: {_LEGACY if legacy else 'it is no torch file'}")
        return check_torch_file(stream, size, str(where))


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
    if found.form in _WEIGHTS and spec.builder is None:
        return [
            Problem(
                "model.builder",
                f"{path.name} holds weights and no architecture; name the Python file and the function in it that builds "
                "the module, as `builder: net.py:make`",
            )
        ]
    if found.form not in _WEIGHTS and spec.builder is not None:
        what = found.what if found.form != "pickled" else "a pickled module"
        return [Problem("model.builder", f"{path.name} is {what}, which needs no builder; leave it out")]
    return []

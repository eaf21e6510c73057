"""Open a model that the plan names. The parent checks the files and imports no torch; a worker loads them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from auditkit.core.errors import InputRefusedError, PlanError, Problem
from auditkit.core.files import sha256_tree
from auditkit.core.model import Model
from auditkit.data.dataset import Input
from auditkit.models.bundle import read_bundle
from auditkit.models.opening import Opening
from auditkit.models.snapshot import Snapshots
from auditkit.models.spec import ModelSpec
from auditkit.models.trust import NOBODY, Trust
from auditkit.models.worker.client import Timeouts, open_in_worker
from auditkit.models.worker.request import OpenRequest


def open_model(
    spec: ModelSpec,
    *,
    inputs: Sequence[Input] = (),
    device: str = "auto",
    trust: Trust = NOBODY,
    timeouts: Timeouts | None = None,
) -> Model:
    """The model of a plan, loaded in a worker process of its own. Close it when done.

    Kinds `torch` (the directory that `auditkit train` leaves, or a torch file; `Differentiable` where it has
    gradients), `sklearn` (a skops file, or a trusted pickle) and `python` (a trusted function of a frame). `inputs` are
    the columns that it will be given, in their order. `predict` gives what the model itself says; the plan's `outputs`
    and `classes` are the caller's to apply.
    Raises `PlanError` (no path, no such device), `InputRefusedError` (the file could run code and nobody trusts it, is
    malformed, or is absent), `ModelCrashedError` (the worker died or hung while loading).
    """
    if spec.kind == "predictions":
        raise PlanError(Problem("model.kind", "predictions are read from the splits' files; there is no model to open"))
    if spec.path is None:
        raise PlanError(Problem("model.path", f"a model of kind {spec.kind} needs the path of its file or directory"))
    with Snapshots() as copies:
        opening = _opening(spec, spec.path, inputs, trust, copies)
        request = replace(opening.request, device=device)
        model = open_in_worker(request, opening.sha256, opening.trusted, timeouts, sandbox=trust.sandbox)
    for path, digest in opening.in_place.items():
        if sha256_tree(path) != digest:
            model.close()
            raise InputRefusedError(f"{path}: changed while it was loaded; try again once nothing writes to it")
    return model


def _opening(spec: ModelSpec, path: Path, inputs: Sequence[Input], trust: Trust, copies: Snapshots) -> Opening:
    """Check the files of a model by its kind, and see who trusts those that can run code."""
    if spec.kind == "sklearn":
        from auditkit.models.sklearn_file import opening_of_estimator

        return opening_of_estimator(path, trust, copies)
    if spec.kind == "python":
        from auditkit.models.python_file import opening_of_function

        return opening_of_function(spec, inputs, trust, copies)
    if path.is_dir() or not os.path.lexists(path):
        read_bundle(path)
        digest = sha256_tree(path)
        return Opening(OpenRequest("trained", path), digest, in_place={path: digest})
    from auditkit.models.torch_file.open import opening_of_torch_file

    return opening_of_torch_file(spec, path, inputs, trust, copies)

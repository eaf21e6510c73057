"""Open a model that the plan names. The parent checks the files and imports no torch; a worker loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from auditkit.core.errors import InputRefusedError, PlanError, Problem
from auditkit.core.files import sha256_tree
from auditkit.core.model import Model
from auditkit.models.bundle import read_bundle
from auditkit.models.skops_file import read_skops
from auditkit.models.spec import ModelSpec
from auditkit.models.trust import NOBODY, Trust
from auditkit.models.worker.client import Timeouts, WorkerModel, open_in_worker
from auditkit.models.worker.request import OpenRequest


def open_model(
    spec: ModelSpec, *, device: str = "auto", trust: Trust = NOBODY, timeouts: Timeouts | None = None
) -> Model:
    """The model of a plan, loaded in a worker process of its own. Close it when done.

    Kinds `torch` (the directory that `auditkit train` leaves; it is also `Differentiable`) and `sklearn` (a skops
    file). `predict` gives what the model itself says; the plan's `outputs` and `classes` are the caller's to apply.
    Raises `PlanError` (no path, no such device), `InputRefusedError` (the file could run code, is malformed, or is
    absent), `ModelCrashedError` (the worker died or hung while loading).
    """
    if spec.kind == "predictions":
        raise PlanError(Problem("model.kind", "predictions are read from the splits' files; there is no model to open"))
    if spec.kind == "python":
        raise PlanError(
            Problem("model.kind", "a live object is handed to the Python API: `auditkit.audit(model, data)`")
        )
    if spec.path is None:
        raise PlanError(Problem("model.path", f"a model of kind {spec.kind} needs the path of its file or directory"))
    return _open(spec.kind, spec.path, device, timeouts)


def _open(kind: Literal["torch", "sklearn"], path: Path, device: str, timeouts: Timeouts | None) -> WorkerModel:
    (read_bundle if kind == "torch" else read_skops)(path)
    digest = sha256_tree(path)
    request = OpenRequest("trained" if kind == "torch" else "skops", path, device)
    model = open_in_worker(request, digest, timeouts=timeouts)
    if sha256_tree(path) != digest:
        model.close()
        raise InputRefusedError(f"{path}: changed while it was loaded; try again once nothing writes to it")
    return model

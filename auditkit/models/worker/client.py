"""The parent's side of a model in a worker: every answer is checked before it counts as a prediction."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from auditkit.core.errors import InputRefusedError, ModelCrashedError, PlanError
from auditkit.core.model import Attribution, ModelInfo, Outputs, Trusted
from auditkit.core.types import Batch, IntArray
from auditkit.models.worker.charter import Charter
from auditkit.models.worker.grants import gpu_here
from auditkit.models.worker.isolation import Isolation, confirm
from auditkit.models.worker.loaders import LOADERS
from auditkit.models.worker.process import WorkerProcess
from auditkit.models.worker.request import OpenRequest
from auditkit.models.worker.watch import printable
from auditkit.models.worker.wire import Frame, WireError, pack_batch, unpack_strings

MAX_COLUMNS = 100_000


@dataclass(frozen=True)
class Timeouts:
    """Seconds after which a worker that does not answer is stopped."""

    open: float = 300.0
    predict: float = 600.0
    attribute: float = 1_800.0


_Name = Annotated[str, Field(max_length=10_000)]


class _Info(BaseModel):
    """What a worker may say of its model."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["torch", "sklearn", "python"]
    outputs: Literal["logits", "probabilities", "values", "labels"]
    parameters: int | None = Field(default=None, ge=0, lt=1 << 63)
    classes: tuple[_Name, ...] | None = Field(default=None, max_length=100_000)
    estimates: Literal["classification", "regression"] | None = None
    inputs: tuple[_Name, ...] | None = Field(default=None, max_length=100_000)
    differentiable: bool = False
    device: str = Field(default="cpu", pattern=r"^[a-z]+(:[0-9]+)?$", max_length=20)
    description: str = Field(default="", max_length=1_000)


class WorkerModel:
    """A `Model` whose file lives in a worker process. Close it, or use it as a context manager."""

    def __init__(self, process: WorkerProcess, info: ModelInfo, timeouts: Timeouts) -> None:
        self._process = process
        self._info = info
        self._timeouts = timeouts
        self._columns: int | None = None
        self.notes: tuple[str, ...] = ()

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""
        return self._info

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def predict(self, batch: Batch) -> Outputs:
        """Score a batch. Raises `PlanError` where an input is absent, else `ModelCrashedError`."""
        rows = self._check_inputs(batch)
        answer = self._ask("predict", batch, rows, self._timeouts.predict)
        if answer.op == "labels" and self._info.outputs == "labels":
            return Outputs(labels=self._checked(lambda: self._labels(answer, rows)))
        if answer.op == "values" and self._info.outputs != "labels":
            return Outputs(values=self._checked(lambda: self._matrix(answer, rows)))
        raise self._broken(f"a frame {printable(answer.op[:50])!r}")

    def close(self) -> None:
        """End the worker; safe to call twice."""
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _check_inputs(self, batch: Batch) -> int:
        if not batch:
            raise PlanError("data.inputs: a model needs at least one input")
        for name in self._info.inputs or ():
            if name not in batch:
                raise PlanError(f"data.inputs: the model reads {name!r}, which is not among the inputs")
        return len(next(iter(batch.values())))

    def _ask(self, op: str, batch: Batch, rows: int, seconds: float, **more: Any) -> Frame:
        try:
            columns, arrays = pack_batch(batch)
        except TypeError as error:
            raise InputRefusedError(str(error)) from None
        if "outputs" in more:
            arrays["outputs"] = more.pop("outputs")
        doing = f"it scored {rows:,} rows" if op == "predict" else f"it explained {rows:,} rows"
        answer = self._process.ask(Frame(op, {"columns": columns, **more}, arrays), seconds, doing)
        self.notes = _notes(answer)
        raise_error(answer, self._process.name, f"while {doing}")
        return answer

    def _checked(self, parse: Any) -> Any:
        try:
            return parse()
        except (WireError, ValueError, KeyError, TypeError) as error:
            raise self._broken(str(error)) from None

    def _broken(self, what: str) -> ModelCrashedError:
        self.close()
        return ModelCrashedError(f"{self._process.name}: its process answered something that is no prediction: {what}")

    def _labels(self, answer: Frame, rows: int) -> Any:
        labels = unpack_strings("labels", answer.arrays)
        if len(labels) != rows:
            raise WireError(f"{len(labels)} labels for {rows} rows")
        return labels

    def _matrix(self, answer: Frame, rows: int) -> Any:
        values = answer.arrays["values"]
        expected = self._columns or (len(self._info.classes) if self._info.classes else None)
        if values.dtype != np.float64 or values.ndim != 2 or len(values) != rows:
            raise WireError(f"{values.dtype} {list(values.shape)} for {rows} rows")
        if not 1 <= values.shape[1] <= MAX_COLUMNS or (expected is not None and values.shape[1] != expected):
            raise WireError(f"{values.shape[1]} output columns, not {expected}")
        self._columns = values.shape[1]
        return values


class DifferentiableWorkerModel(WorkerModel):
    """A worker whose model has gradients."""

    def attribute(self, batch: Batch, outputs: IntArray, steps: int) -> Attribution:
        """Integrated gradients of output column `outputs[i]` for row i, on a path of `steps` points."""
        rows = self._check_inputs(batch)
        columns = np.asarray(outputs, dtype=np.int64)
        if columns.shape != (rows,):
            raise ValueError(f"outputs has shape {columns.shape}, expected ({rows},)")
        answer = self._ask("attribute", batch, rows, self._timeouts.attribute, outputs=columns, steps=int(steps))
        found: Attribution = self._checked(lambda: self._attribution(answer, rows, batch))
        return found

    def _attribution(self, answer: Frame, rows: int, batch: Batch) -> Attribution:
        values, delta = answer.arrays["values"], answer.arrays["delta"]
        features = tuple(answer.fields["features"])
        if answer.op != "attribution" or any(name not in batch for name in features):
            raise WireError("an attribution to inputs that were not sent")
        if values.dtype != np.float64 or values.shape != (rows, len(features)):
            raise WireError(f"attributions {values.dtype} {list(values.shape)} for {rows} rows")
        if delta.dtype != np.float64 or delta.shape != (rows,):
            raise WireError(f"completeness errors {delta.dtype} {list(delta.shape)} for {rows} rows")
        texts = [printable(str(answer.fields[key])[:500]) for key in ("method", "baseline")]
        return Attribution(features, values, delta, *texts)


def open_in_worker(
    request: OpenRequest,
    sha256: str,
    trusted: tuple[Trusted, ...] = (),
    timeouts: Timeouts | None = None,
    *,
    sandbox: bool = True,
) -> WorkerModel:
    """Start a worker, let it close its sandbox, and only then let it open the model, whose digest is `sha256`.

    `trusted` is what had to be trusted for it; `sandbox` False is `--no-sandbox`.
    Raises `InputRefusedError` (also where something had to be trusted and this machine can't contain it), `PlanError`
    (the device), or `ModelCrashedError`; no process is left then.
    """
    timeouts = timeouts or Timeouts()
    name = request.name or str(request.path)
    path = str(request.path.resolve())
    loading = "while it loaded the model"
    process = WorkerProcess(name, _charter(request, sandbox=sandbox))
    try:
        asked = Frame("prepare", {"loader": request.loader, "device": request.device})
        isolation = _isolation(process, asked, timeouts.open, sandbox=sandbox)
        if trusted and sandbox and not isolation.complete:
            raise InputRefusedError(
                f"{name}: loading it can run code, and this machine can't contain that: {isolation.lacks}. Use "
                "Linux 5.14 or later; or, where you trust the file that far: --no-sandbox"
            )
        fields = {"path": path, "device": request.device, "options": dict(request.options)}
        answer = process.ask(Frame("open", fields), timeouts.open, loading.removeprefix("while "))
        raise_error(answer, name, loading)
        info = _parse_info(answer, name)
    except BaseException:
        process.close()
        raise
    info = replace(info, sha256=sha256, isolation=str(isolation), trusted=trusted)
    return (DifferentiableWorkerModel if info.differentiable else WorkerModel)(process, info, timeouts)


def _charter(request: OpenRequest, *, sandbox: bool) -> Charter:
    reads = [request.path, *request.reads]
    gpu = request.device != "cpu" and LOADERS[request.loader].torch and gpu_here()
    return Charter(tuple(str(path.resolve()) for path in reads), sandbox, gpu, os.getpid(), size_of(reads))


def _isolation(process: WorkerProcess, asked: Frame, seconds: float, *, sandbox: bool) -> Isolation:
    doing = "it was prepared"
    answer = process.ask(asked, seconds, doing)
    raise_error(answer, process.name, f"while {doing}")
    try:
        if answer.op != "sealed":
            raise ValueError("another frame")
        return confirm(answer.fields.get("report"), process.pid, asked=sandbox)
    except ValueError:
        raise ModelCrashedError(f"{process.name}: its process did not say what protects from it") from None


def size_of(paths: Iterable[Path]) -> int:
    """Bytes of files, and of all files in directories."""
    size = 0
    for path in paths:
        for entry in path.rglob("*") if path.is_dir() else (path,):
            with contextlib.suppress(OSError):
                size += entry.stat().st_size
    return size


def _parse_info(answer: Frame, name: str) -> ModelInfo:
    try:
        found = _Info.model_validate(answer.fields.get("info"))
    except ValidationError:
        raise ModelCrashedError(f"{name}: its process described no model") from None
    if answer.op != "opened":
        raise ModelCrashedError(f"{name}: its process described no model")
    return ModelInfo(**{**found.model_dump(), "description": printable(found.description)})


def _notes(answer: Frame) -> tuple[str, ...]:
    notes = answer.fields.get("notes")
    return tuple(printable(str(note)[:300]) for note in notes[:100]) if isinstance(notes, list) else ()


def raise_error(answer: Frame, name: str, doing: str) -> None:
    """Raise what an `error` frame says, as the class of error that it is; other frames pass."""
    if answer.op != "error":
        return
    message = printable(str(answer.fields.get("message", ""))[:2_000])
    kind = answer.fields.get("kind")
    if kind == "refused":
        raise InputRefusedError(message)
    if kind == "plan":
        raise PlanError(message)
    if kind == "memory":
        raise ModelCrashedError(f"{name}: out of memory {doing}; a smaller run.batch_size may do")
    raise ModelCrashedError(f"{name}: the model failed {doing}: {message}")

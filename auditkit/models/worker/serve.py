"""The child's loop: open one model, then answer batches until the parent hangs up."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from auditkit.core.errors import AuditkitError, InputRefusedError, PlanError
from auditkit.core.model import Differentiable, Model
from auditkit.models.worker import limits
from auditkit.models.worker.channel import Answering
from auditkit.models.worker.loaders import LOADERS, Loader
from auditkit.models.worker.seal import Sandbox
from auditkit.models.worker.wire import ConnectionLostError, Frame, pack_strings, unpack_batch

MAX_MESSAGE = 2_000


def serve(connection: socket.socket, sandbox: Sandbox, *, follow_parent: bool) -> None:
    """Answer frames until the connection closes: `prepare` (imports, then the sandbox closes), `open`, then the rest.

    `follow_parent`: end where the parent does.
    """
    if follow_parent:
        _follow_parent(os.getppid())
    # Libraries that ask for it would try to write there first, which fails where no file may be written.
    tempfile.tempdir = os.environ["HOME"]
    channel = Answering(connection)
    worker = _Worker(sandbox)
    while True:
        try:
            request = channel.receive()
        except ConnectionLostError:
            return
        try:
            answer = worker.answer(request)
        except MemoryError:
            answer = Frame("error", {"kind": "memory", "message": "out of memory"})
        except Exception as error:  # noqa: BLE001 - whatever a model raises becomes one clear answer
            answer = Frame("error", _error_fields(error))
        try:
            channel.send(answer)
        except ConnectionLostError:
            return


class _Worker:
    """The one model of this process, and how far it has come."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._loader: Loader | None = None
        self._model: Model | None = None

    def answer(self, request: Frame) -> Frame:
        """The answer to one frame; raises whatever the model does."""
        if request.op == "prepare":
            return self._prepare(request.fields)
        if request.op == "open":
            return self._open(request.fields)
        if self._model is None:
            raise AuditkitError("no model is open")
        answer = _OPERATIONS[request.op](self._model, request)
        answer.fields["notes"] = list(self._model.notes)
        return answer

    def _prepare(self, fields: dict[str, Any]) -> Frame:
        gpu = False
        if fields["loader"] is not None:
            self._loader = LOADERS[fields["loader"]]
            gpu = _on_gpu(fields["device"]) if self._loader.torch else False
            self._loader.prepare()
        return Frame("sealed", {"report": self._sandbox.close_calls(gpu=gpu)})

    def _open(self, fields: dict[str, Any]) -> Frame:
        if self._loader is None or self._model is not None:
            raise AuditkitError("a model is opened once, after its loader")
        self._model = self._loader.load(Path(fields["path"]), fields["device"], fields["options"])
        return Frame("opened", {"info": asdict(self._model.info)})


def _on_gpu(device: str) -> bool:
    """Whether torch computes on a GPU here. Its driver starts now: it needs what the filter denies."""
    from auditkit.models.device import resolve_device

    found = resolve_device(device)
    if found.type != "cpu":
        import torch

        torch.zeros(1, device=found)
    return found.type != "cpu"


def _error_fields(error: Exception) -> dict[str, str]:
    if isinstance(error, InputRefusedError):
        return {"kind": "refused", "message": str(error)[:MAX_MESSAGE]}
    if isinstance(error, PlanError):
        return {"kind": "plan", "message": str(error)[:MAX_MESSAGE]}
    if type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):
        # What torch raises, which is no MemoryError; this process may not have imported torch.
        return {"kind": "memory", "message": "out of memory"}
    text = str(error) if isinstance(error, AuditkitError) else f"{type(error).__name__}: {error}"
    return {"kind": "failed", "message": text[:MAX_MESSAGE]}


def _predict(model: Model, request: Frame) -> Frame:
    outputs = model.predict(unpack_batch(request.fields["columns"], request.arrays))
    if outputs.values is not None:
        return Frame("values", {}, {"values": outputs.values})
    answer = Frame("labels")
    assert outputs.labels is not None
    pack_strings("labels", outputs.labels, answer.arrays)
    return answer


def _attribute(model: Model, request: Frame) -> Frame:
    if not isinstance(model, Differentiable):
        raise PlanError("this model has no gradients")
    batch = unpack_batch(request.fields["columns"], request.arrays)
    found = model.attribute(batch, request.arrays["outputs"], request.fields["steps"])
    fields = {"features": list(found.features), "method": found.method, "baseline": found.baseline}
    return Frame("attribution", fields, {"values": found.values, "delta": found.delta})


_OPERATIONS: dict[str, Callable[[Model, Frame], Frame]] = {"predict": _predict, "attribute": _attribute}


def _follow_parent(parent: int) -> None:
    """End where the parent was killed while the model computes: nobody would read the answer."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(2)
        limits.leave(1)

    threading.Thread(target=watch, daemon=True).start()

"""The child's loop: open one model, then answer batches until the parent hangs up."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from auditkit.core.errors import AuditkitError, InputRefusedError, PlanError
from auditkit.core.model import Differentiable, Model
from auditkit.models.worker import limits
from auditkit.models.worker.loaders import LOADERS
from auditkit.models.worker.wire import ConnectionLostError, Frame, pack_strings, receive, send, unpack_batch

MAX_MESSAGE = 2_000


def serve(connection: socket.socket) -> None:
    """Answer frames until the connection closes. The first has to be `open`."""
    _follow_parent(os.getppid())
    model: Model | None = None
    while True:
        try:
            request = receive(connection)
        except ConnectionLostError:
            return
        try:
            if request.op == "open":
                model = _open(request.fields)
                answer = Frame("opened", {"info": asdict(model.info)})
            elif model is None:
                raise AuditkitError("no model is open")
            else:
                answer = _OPERATIONS[request.op](model, request)
                answer.fields["notes"] = list(model.notes)
        except MemoryError:
            answer = Frame("error", {"kind": "memory", "message": "out of memory"})
        except Exception as error:  # noqa: BLE001 - whatever a model raises becomes one clear answer
            answer = Frame("error", _error_fields(error))
        try:
            send(connection, answer)
        except ConnectionLostError:
            return


def _error_fields(error: Exception) -> dict[str, str]:
    if isinstance(error, InputRefusedError):
        return {"kind": "refused", "message": str(error)[:MAX_MESSAGE]}
    if isinstance(error, PlanError):
        return {"kind": "plan", "message": str(error)[:MAX_MESSAGE]}
    text = str(error) if isinstance(error, AuditkitError) else f"{type(error).__name__}: {error}"
    return {"kind": "failed", "message": text[:MAX_MESSAGE]}


def _open(fields: dict[str, Any]) -> Model:
    path = Path(fields["path"])
    size = sum(p.stat().st_size for p in path.iterdir() if p.is_file()) if path.is_dir() else path.stat().st_size
    loader = LOADERS[fields["loader"]]
    gpu = False
    if loader.torch:
        from auditkit.models.device import resolve_device

        gpu = resolve_device(fields["device"]).type != "cpu"
    loader.prepare()
    limits.bound_memory(size, gpu=gpu)
    return loader.load(path, fields["device"], fields["options"])


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

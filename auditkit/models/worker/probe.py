"""What this machine can do to contain a model: tried, in a worker that opens none."""

from __future__ import annotations

from auditkit.core.errors import ModelCrashedError
from auditkit.models.worker.charter import Charter
from auditkit.models.worker.isolation import Isolation, confirm
from auditkit.models.worker.process import WorkerProcess
from auditkit.models.worker.wire import Frame

_SECONDS = 60.0


def isolation_here() -> Isolation:
    """The isolation that a model file would have here; takes the start of a small process. Its `str()` is the sentence
    that an audit states.

    Raises `ModelCrashedError` where no worker can be started at all.
    """
    process = WorkerProcess("auditkit", Charter())
    try:
        answer = process.ask(Frame("prepare", {"loader": None, "device": "cpu"}), _SECONDS, "it was prepared")
        return confirm(answer.fields.get("report"), process.pid, asked=True)
    except ValueError:
        raise ModelCrashedError("auditkit: a worker did not say what protects from it") from None
    finally:
        process.close()

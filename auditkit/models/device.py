"""Where torch computes, and how a batch that does not fit is cut."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from auditkit.core.errors import ModelCrashedError, PlanError

logger = logging.getLogger("auditkit.models")

#: Networks of up to so many parameters compute on one thread: more threads cost them more than they give, and the
#: scores keep their last bits on machines with another number of cores.
SMALL_NETWORK = 5_000_000


def resolve_device(device: str) -> torch.device:
    """`auto` is the GPU where torch can use one, else the CPU. Raises `PlanError` for a device that isn't there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise PlanError(f"run.device: {device!r} is no device; say auto, cpu, cuda, cuda:0 or mps") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise PlanError(f"run.device: {device!r} was asked for, but torch sees no GPU here; say auto or cpu")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise PlanError(f"run.device: {device!r} was asked for, but there are {torch.cuda.device_count()} GPUs")
    if found.type == "mps" and not torch.backends.mps.is_available():
        raise PlanError(f"run.device: {device!r} was asked for, but torch sees no such device here; say auto or cpu")
    return found


@contextmanager
def threads_for(parameters: int) -> Iterator[None]:
    """Inside, a small network computes on one thread; what was set before comes back."""
    before = torch.get_num_threads()
    if parameters <= SMALL_NETWORK:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Batcher:
    """Runs a function over slices of a batch; where device memory runs out it halves the slices, says so, goes on.

    The smaller size stays for later batches, so that one shape of batch does not alternate with another.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.notes: list[str] = []

    def run(self, rows: int, compute: Callable[[slice], None]) -> None:
        """Call `compute` with slices that cover `range(rows)` in order.

        Raises `ModelCrashedError` where a single row does not fit.
        """
        start = 0
        while start < rows:
            size = rows - start if self.limit is None else min(self.limit, rows - start)
            try:
                compute(slice(start, start + size))
            except torch.OutOfMemoryError:
                self._halve(size)
            else:
                start += size

    def _halve(self, size: int) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if size == 1:
            raise ModelCrashedError("the device has no memory for a single row; choose another with run.device")
        self.limit = max(1, size // 2)
        note = f"the device had no memory for {size} rows at once; it went on with {self.limit}"
        self.notes.append(note)
        logger.warning(note)

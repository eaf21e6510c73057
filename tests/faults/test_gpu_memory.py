"""A GPU without memory for a batch: the batch is halved, the audit says so, and its numbers are the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import auditkit
from auditkit.core.errors import ModelCrashedError
from tests.faults.records import record

ROWS = 600


class Hungry(torch.nn.Module):
    """A line through four numbers. On a CPU it raises above `limit` rows what a full device raises; on a GPU it asks
    for `row_bytes` a row."""

    def __init__(self, limit: int | None = None, row_bytes: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.line = torch.nn.Linear(4, 2)
        self.limit, self.row_bytes = limit, row_bytes

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if self.limit is not None and len(batch) > self.limit:
            raise torch.OutOfMemoryError("planted")
        if self.row_bytes:
            torch.empty(len(batch) * self.row_bytes, dtype=torch.uint8, device=batch.device)
        answer: torch.Tensor = self.line(batch)
        return answer


def _audit(model: torch.nn.Module) -> auditkit.Audit:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 4)).astype(np.float32), columns=list("abcd"))
    frame["y"] = (frame.a > 0).astype(int)
    return auditkit.audit(model, frame, target="y", positive=1, outputs="logits")


def _values(audit: auditkit.Audit) -> dict[str, float]:
    """What every reproducible finding says; NaN where it has no value."""
    found = {finding.id: finding.value for finding in audit.findings if finding.reproducible}
    return {id: np.nan if value is None else value for id, value in found.items()}


def test_a_batch_that_does_not_fit_is_halved() -> None:
    audit = _audit(Hungry(limit=60))
    notes = [note for note in audit.notes if "had no memory" in note]
    assert notes[0] == "the device had no memory for 64 rows at once; it went on with 32"
    assert _values(audit) == pytest.approx(_values(_audit(Hungry())), rel=1e-5, abs=1e-6, nan_ok=True)
    record("device out of memory (planted)", "predict, attribute", "halved, said so, the same numbers", audit.exit_code)


def test_a_single_row_that_does_not_fit_is_one_message() -> None:
    with pytest.raises(ModelCrashedError, match=r"no memory for a single row; choose another with run\.device"):
        _audit(Hungry(limit=0))
    record("device without memory for one row (planted)", "predict", "one message", 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_that_is_full() -> None:
    """The real thing: each row wants a third of a hundredth of the device, which is allowed a tenth."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(0.1)
    try:
        audit = _audit(Hungry(row_bytes=total // 3000).cuda())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert any("had no memory" in note for note in audit.notes)
    assert _values(audit) == pytest.approx(_values(_audit(Hungry().cuda())), rel=1e-3, abs=1e-4, nan_ok=True)
    record("GPU out of memory", "predict, attribute", "halved, said so, the same numbers", audit.exit_code)

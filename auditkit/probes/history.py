"""Probe: the training history that a model's directory carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from auditkit.core.errors import InputRefusedError
from auditkit.core.tables import HISTORY
from auditkit.probes.base import ProbeContext

_MAX_BYTES = 50_000_000


@dataclass(frozen=True)
class History:
    """Reads `history.parquet` beside the weights; a file from outside, so its size and columns are checked."""

    name: str = "training history"
    provides: tuple[str, ...] = (HISTORY.name,)
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def request(self) -> Mapping[str, Any]:
        """See `Probe`."""
        return {}

    def unavailable(self, context: ProbeContext) -> str | None:
        """See `Probe`."""
        path = self._path(context)
        return None if path is not None and path.is_file() else "the model came without a training history"

    def collect(self, context: ProbeContext) -> Mapping[str, pa.Table]:
        """See `Probe`."""
        path = self._path(context)
        assert path is not None
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise InputRefusedError(f"{path}: is larger than {_MAX_BYTES:,} bytes; no training history is")
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise InputRefusedError(f"{path}: is no readable training history: {error}") from None
        absent = [column for column in (*HISTORY.keys, *HISTORY.columns) if column not in table.column_names]
        if absent:
            raise InputRefusedError(f"{path}: has no column {absent[0]!r}; `auditkit train` writes one that has")
        return {HISTORY.name: table}

    def _path(self, context: ProbeContext) -> Path | None:
        model = context.spec.path
        return model / HISTORY_FILE if model is not None and model.is_dir() else None


HISTORY_FILE = "history.parquet"

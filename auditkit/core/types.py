"""Names and aliases that several layers share."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
ObjectArray: TypeAlias = npt.NDArray[np.object_]
#: Rows of a split as a model reads them: input name to array of length B. Numeric columns are float64 with NaN for
#: missing; categorical columns are object arrays of `str`, with `None` for missing.
Batch: TypeAlias = Mapping[str, npt.NDArray[Any]]

MISSING_GROUP = "(missing)"
INTERSECTION = "×"


class Status(StrEnum):
    """What became of a finding; see the contract."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INFO = "info"
    SKIPPED = "skipped"
    ERROR = "error"


class Verdict(StrEnum):
    """The whole audit in one word."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    UNJUDGED = "unjudged"


class InputKind(StrEnum):
    """How a column is read and handed to a model."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


class TaskKind(StrEnum):
    """What a model is asked to do."""

    BINARY = "binary-classification"
    MULTICLASS = "multiclass-classification"
    REGRESSION = "regression"


class Better(StrEnum):
    """Which direction of a metric is the good one."""

    HIGHER = "higher"
    LOWER = "lower"

"""Measures as pure functions on arrays: a documented library of its own.

Every function takes numpy arrays and answers an `Estimate`: a value, its interval, and the method, or the reason why
there is none. Nothing here knows of models, files or reports.
"""

from auditkit.measures.bootstrap import from_counts
from auditkit.measures.calibration import brier, expected_calibration_error, reliability
from auditkit.measures.classification import balanced_accuracy, confusion, f1, macro_f1, matthews_correlation
from auditkit.measures.deletion import deletion_gain, deletion_test
from auditkit.measures.difference import difference, paired_mean, relative_degradation
from auditkit.measures.gaps import Gap, gap
from auditkit.measures.power import detectable_gap, rows_needed, rows_to_decide
from auditkit.measures.ranking import roc_auc
from auditkit.measures.rates import by_group, estimate
from auditkit.measures.regression import (
    mean_absolute_error,
    mean_error,
    mean_squared_error,
    r_squared,
    root_mean_squared_error,
)

__all__ = [
    "Gap",
    "balanced_accuracy",
    "brier",
    "by_group",
    "confusion",
    "deletion_gain",
    "deletion_test",
    "detectable_gap",
    "difference",
    "estimate",
    "expected_calibration_error",
    "f1",
    "from_counts",
    "gap",
    "macro_f1",
    "matthews_correlation",
    "mean_absolute_error",
    "mean_error",
    "mean_squared_error",
    "paired_mean",
    "r_squared",
    "relative_degradation",
    "reliability",
    "roc_auc",
    "root_mean_squared_error",
    "rows_needed",
    "rows_to_decide",
]

"""Measures as pure functions on arrays: a documented library of its own.

Every function takes numpy arrays and answers an `Estimate`: a value, its interval, and the method, or the reason why
there is none. Nothing here knows of models, files or reports.
"""

from auditkit.measures.bootstrap import from_counts
from auditkit.measures.calibration import brier, expected_calibration_error, reliability
from auditkit.measures.cells import (
    BALANCED_ACCURACY,
    MACRO_F1,
    MATTHEWS_CORRELATION,
    CellRate,
    CellStatistic,
    binary_metrics,
    class_metrics,
)
from auditkit.measures.classification import balanced_accuracy, confusion, f1, macro_f1, matthews_correlation
from auditkit.measures.deletion import deletion_gain, deletion_test
from auditkit.measures.difference import difference, paired_mean, relative_degradation
from auditkit.measures.error_moments import ErrorMoments
from auditkit.measures.gaps import Gap, gap
from auditkit.measures.group_bootstrap import MetricBootstrap, bootstrap_groups
from auditkit.measures.poisson import PoissonBootstrap
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
from auditkit.measures.resample import bootstrap_statistic, draw
from auditkit.measures.sketch import QuantileSketch, ScoreTally
from auditkit.measures.tally import Tally, WeightedTally

__all__ = [
    "BALANCED_ACCURACY",
    "MACRO_F1",
    "MATTHEWS_CORRELATION",
    "CellRate",
    "CellStatistic",
    "ErrorMoments",
    "Gap",
    "MetricBootstrap",
    "PoissonBootstrap",
    "QuantileSketch",
    "ScoreTally",
    "Tally",
    "WeightedTally",
    "balanced_accuracy",
    "binary_metrics",
    "bootstrap_groups",
    "bootstrap_statistic",
    "brier",
    "by_group",
    "class_metrics",
    "confusion",
    "deletion_gain",
    "deletion_test",
    "detectable_gap",
    "difference",
    "draw",
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

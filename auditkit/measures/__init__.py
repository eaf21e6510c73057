"""Measures as pure functions on arrays: a documented library of its own.

Every function takes numpy arrays and answers an `Estimate` (or a few): a value, its interval, how it was made and on
how many rows it rests, or the reason why there is none. Nothing here knows of models, files or reports, and nothing is
drawn without a fixed seed.

==================================  ============================================  ====================================
What                                Functions                                     Interval
==================================  ============================================  ====================================
From arrays                         rate_of, mean_of, groups_of
A rate or a mean, in all rows or    estimate, by_group                            Wilson; exact up to 40 rows (see
by group                                                                          interval_rule). Student's t, with
                                                                                  Hall's correction for a long tail
A gap between groups: largest −     gap; of any estimates, gap_between            simultaneous over all pairs:
smallest, smallest / largest                                                      Newcombe, Welch's t, MOVER, MOVER-R
The worst group; each group's rank  worst_of, ranks                               intersection-union and Bonferroni;
                                                                                  Mogstad and others (2024)
Adverse impact: the ratio to the    adverse_impact                                simultaneous MOVER-R
most selected group, two standard
deviations, Fisher's exact test
Inequality of benefits, between     generalized_entropy, theil,                   profile likelihood; delta method
and within groups                   coefficient_of_variation, inequality
Two samples; two models on the      difference, relative_degradation,             Newcombe, Welch's t, MOVER-R;
same rows                           paired_mean                                   Student's t
Classifiers                         f1, balanced_accuracy, macro_f1, macro_rate,  of the proportions they are made of;
                                    matthews_correlation, error_odds, confusion   bootstrap; delta method
Rankings                            roc_auc, average_precision,                   DeLong; influence function; both on
                                    true_positive_rate_at                         the logit scale. MOVER and Woodruff
Calibration                         expected_calibration_error, reliability,      debiased below, plug-in above;
                                    brier                                         Student's t
Regression                          mean_error, mean_absolute_error,              Student's t; delta method; order
                                    mean_squared_error, root_mean_squared_error,  statistics
                                    r_squared, quantile
Explanations                        deletion_gain, deletion_test                  Student's t, paired
The exact bootstrap from counts     bootstrap_groups, bootstrap_statistic,        percentiles, where they cover
                                    from_counts, entropy_from_counts, draw
Mergeable states: chunks add up in  Tally, WeightedTally, ScoreTally,             of the measures above
any order                           QuantileSketch, ErrorMoments,
                                    PoissonBootstrap
What can be shown, and what it      detectable_gap, detectable_ratio,
would take                          detectable_mean_gap, rows_needed,
                                    rows_needed_relative, rows_needed_for_rate,
                                    rows_needed_for_mean,
                                    rows_needed_for_mean_gap, rows_to_decide
==================================  ============================================  ====================================

How rows were sampled is one argument, `Design(weight, cluster, count)`: unequal weights and clusters widen the
intervals, and a row that is stored once with a count is worth that many rows. The published table of COMPAS, eight
stored rows for 6,150 people (Larson and others 2016): is somebody who did not reoffend called a high risk more often if
Black?

>>> import numpy as np
>>> from auditkit.measures import Design, GapRule, by_group, gap, groups_of, rate_of
>>> race = groups_of(np.repeat(["Black", "white"], 4), "race")
>>> reoffended, high_risk = np.tile([0, 0, 1, 1], 2), np.tile([0, 1, 0, 1], 2)
>>> people = Design(count=np.array([990, 805, 532, 1369, 1139, 349, 461, 505]))
>>> rate = rate_of(high_risk, among=1 - reoffended, name="false_positive_rate")
>>> for name, found in zip(race.labels, by_group(rate, race, people)):
...     print(f"{name}: {found.value:.4f} [{found.low:.4f}, {found.high:.4f}], {found.method}, {found.n} people")
Black: 0.4485 [0.4256, 0.4716], Wilson, 1795 people
white: 0.2345 [0.2137, 0.2567], Wilson, 1488 people
>>> rule = GapRule("false_positive_rate_difference", ("false_positive_rate",), "difference")
>>> found = gap(rule, [rate], race, people)
>>> print(f"{found.highest} − {found.lowest}: {found.estimate.value:.4f}", np.round(found.estimate.interval, 4))
Black − white: 0.2139 [0.1821 0.245 ]
"""

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.core.task import GapRule, RowStatistic
from auditkit.measures.arrays import groups_of, mean_of, rate_of
from auditkit.measures.between import Rank, Worst, gap_between, ranks, worst_of
from auditkit.measures.bootstrap import from_counts
from auditkit.measures.calibration import ReliabilityBin, brier, expected_calibration_error, reliability
from auditkit.measures.cells import (
    BALANCED_ACCURACY,
    MACRO_F1,
    MATTHEWS_CORRELATION,
    CellRate,
    CellStatistic,
    binary_metrics,
    class_metrics,
)
from auditkit.measures.classification import (
    balanced_accuracy,
    confusion,
    error_odds,
    f1,
    macro_f1,
    matthews_correlation,
)
from auditkit.measures.deletion import deletion_gain, deletion_test
from auditkit.measures.difference import difference, paired_mean, relative_degradation
from auditkit.measures.error_moments import ErrorMoments
from auditkit.measures.gaps import Gap, gap
from auditkit.measures.group_bootstrap import MetricBootstrap, bootstrap_groups
from auditkit.measures.impact import AdverseImpact, Impact, adverse_impact
from auditkit.measures.inequality import (
    Inequality,
    benefits,
    coefficient_of_variation,
    entropy_from_counts,
    generalized_entropy,
    inequality,
    theil,
)
from auditkit.measures.intervals import clopper_pearson, interval_rule, jeffreys, mover_difference, mover_ratio, wilson
from auditkit.measures.macro import macro_rate
from auditkit.measures.poisson import PoissonBootstrap
from auditkit.measures.power import detectable_gap, detectable_ratio, rows_needed, rows_needed_for_rate, rows_to_decide
from auditkit.measures.power_means import detectable_mean_gap, rows_needed_for_mean, rows_needed_for_mean_gap
from auditkit.measures.power_ratios import rows_needed_relative
from auditkit.measures.quantiles import quantile
from auditkit.measures.ranking import average_precision, roc_auc, true_positive_rate_at
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
    "SIMPLE",
    "AdverseImpact",
    "CellRate",
    "CellStatistic",
    "Design",
    "ErrorMoments",
    "Estimate",
    "Gap",
    "GapRule",
    "Groups",
    "Impact",
    "Inequality",
    "MetricBootstrap",
    "PoissonBootstrap",
    "QuantileSketch",
    "Rank",
    "ReliabilityBin",
    "RowStatistic",
    "ScoreTally",
    "Tally",
    "WeightedTally",
    "Worst",
    "adverse_impact",
    "average_precision",
    "balanced_accuracy",
    "benefits",
    "binary_metrics",
    "bootstrap_groups",
    "bootstrap_statistic",
    "brier",
    "by_group",
    "class_metrics",
    "clopper_pearson",
    "coefficient_of_variation",
    "confusion",
    "deletion_gain",
    "deletion_test",
    "detectable_gap",
    "detectable_mean_gap",
    "detectable_ratio",
    "difference",
    "draw",
    "entropy_from_counts",
    "error_odds",
    "estimate",
    "expected_calibration_error",
    "f1",
    "from_counts",
    "gap",
    "gap_between",
    "generalized_entropy",
    "groups_of",
    "inequality",
    "interval_rule",
    "jeffreys",
    "macro_f1",
    "macro_rate",
    "matthews_correlation",
    "mean_absolute_error",
    "mean_error",
    "mean_of",
    "mean_squared_error",
    "mover_difference",
    "mover_ratio",
    "paired_mean",
    "quantile",
    "r_squared",
    "ranks",
    "rate_of",
    "relative_degradation",
    "reliability",
    "roc_auc",
    "root_mean_squared_error",
    "rows_needed",
    "rows_needed_for_mean",
    "rows_needed_for_mean_gap",
    "rows_needed_for_rate",
    "rows_needed_relative",
    "rows_to_decide",
    "theil",
    "true_positive_rate_at",
    "wilson",
    "worst_of",
]

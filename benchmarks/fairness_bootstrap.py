"""Five group metrics with bootstrap intervals, gaps and ratios: against fairlearn, and against a row bootstrap.

    python benchmarks/fairness_bootstrap.py            prints the tables
    python benchmarks/fairness_bootstrap.py --save     also writes them to benchmarks/results/fairness_bootstrap.md

CPU time of one process on one thread; contenders take turns, and each figure is the median over the turns. Ours starts
from integer codes of the rows, so counting them is part of its time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import fairlearn
import numpy as np
from fairlearn.metrics import (
    MetricFrame,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score

from auditkit.measures.cells import binary_metrics
from auditkit.measures.group_bootstrap import bootstrap_groups
from auditkit.measures.resample import tails

FIVE = ("selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate", "accuracy")
METRICS = [next(m for m in binary_metrics() if m.name == name) for name in FIVE]
PEERS = {
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
    "false_negative_rate": false_negative_rate,
    "accuracy": accuracy_score,
}
REPLICATES, PEER_REPLICATES = 10_000, 100
#: fairlearn is measured at these two numbers of replicates, and the line through both is followed to 100; a run at the
#: third shows how far the line holds.
MEASURED, CHECKED = (2, 6), 20
QUANTILES = [0.025, 0.975]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def sample(rows: int, groups: int) -> Rows:
    """Group, label and prediction of each row."""
    rng = np.random.default_rng(rows + groups)
    group, target = rng.integers(0, groups, rows), rng.integers(0, 2, rows)
    return group, target, np.where(rng.random(rows) < 0.8, target, 1 - target)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def ours(data: Rows, groups: int, replicates: int = REPLICATES) -> object:
    """Counts, then every interval of every group, gap and ratio, simultaneous and percentile."""
    group, target, given = data
    counts = np.bincount(group * 4 + target * 2 + given, minlength=4 * groups).reshape(groups, 2, 2)
    return bootstrap_groups(counts, METRICS, replicates=replicates)


def theirs(data: Rows, replicates: int) -> object:
    """fairlearn: intervals by group and overall, of differences and ratios."""
    group, target, given = data
    frame = MetricFrame(
        metrics=PEERS,
        y_true=target,
        y_pred=given,
        sensitive_features=group,
        n_boot=replicates,
        ci_quantiles=QUANTILES,
        random_state=0,
    )
    return frame.by_group_ci, frame.overall_ci, frame.difference_ci(), frame.ratio_ci()


def by_rows(data: Rows, groups: int, replicates: int = REPLICATES) -> object:
    """An honest row bootstrap: rows are drawn by 32-bit indices and counted by `numpy.bincount`, metrics are
    vectorised over all replicates at once, and quantiles are taken as ours are."""
    group, target, given = data
    cell = (group * 4 + target * 2 + given).astype(np.int64)
    rng = np.random.default_rng(0)
    counts = np.empty((replicates, groups * 4))
    for r in range(replicates):
        counts[r] = np.bincount(cell[rng.integers(0, len(cell), len(cell), dtype=np.uint32)], minlength=groups * 4)
    tables = counts.reshape(replicates, groups, 4)
    both = np.concatenate([tables, tables.sum(axis=1, keepdims=True)], axis=1)
    masks = np.stack([mask.ravel() for m in METRICS for mask in (m.hits, m.counts)]).astype(float)
    sums = (both @ masks.T).reshape(replicates, groups + 1, len(METRICS), 2)
    values = np.ascontiguousarray(np.moveaxis(sums[..., 0] / sums[..., 1], 0, -1))
    top, bottom = values[:-1].max(axis=0), values[:-1].min(axis=0)
    return tails(values, 0.95), tails(top - bottom, 0.95), tails(bottom / top, 0.95)


def against_fairlearn(groups: int, turns: int) -> tuple[float, float]:
    """CPU seconds of ours and of fairlearn's 100 replicates, at 100,000 rows."""
    data = sample(100_000, groups)
    mine, few, more = [], [], []
    for _ in range(turns):
        mine.append(cpu(lambda: ours(data, groups)))
        few.append(cpu(lambda: theirs(data, MEASURED[0])))
        mine.append(cpu(lambda: ours(data, groups)))
        more.append(cpu(lambda: theirs(data, MEASURED[1])))
    first, second = statistics.median(few), statistics.median(more)
    each = (second - first) / (MEASURED[1] - MEASURED[0])
    return statistics.median(mine), first + each * (PEER_REPLICATES - MEASURED[0])


def line_error(whole: float) -> str:
    """fairlearn with more replicates at 100,000 rows × 10 groups, against the line that ends at `whole` for 100."""
    data = sample(100_000, 10)
    first, seconds = cpu(lambda: theirs(data, MEASURED[0])), cpu(lambda: theirs(data, CHECKED))
    line = first + (whole - first) * (CHECKED - MEASURED[0]) / (PEER_REPLICATES - MEASURED[0])
    return f"{seconds:.1f} s at {CHECKED} replicates, where the line says {line:.1f} s"


def against_rows(turns: int) -> tuple[float, float]:
    """CPU seconds of ours and of the row bootstrap, 10,000 replicates each, at 10,000 rows × 10 groups."""
    data = sample(10_000, 10)
    mine, other = [], []
    for _ in range(turns):
        mine.append(cpu(lambda: ours(data, 10)))
        other.append(cpu(lambda: by_rows(data, 10)))
    return statistics.median(mine), statistics.median(other)


def by_size(turns: int) -> dict[int, float]:
    """CPU seconds of ours by the number of rows, 10 groups."""
    sizes = (10_000, 100_000, 1_000_000)
    data = {rows: sample(rows, 10) for rows in sizes}
    found: dict[int, list[float]] = {rows: [] for rows in sizes}
    for _ in range(turns):
        for rows in sizes:
            found[rows].append(cpu(lambda rows=rows: ours(data[rows], 10)))
    return {rows: statistics.median(times) for rows, times in found.items()}


def measure() -> str:
    """The tables."""
    ours(sample(1000, 10), 10)  # imports and the critical value are not what is measured
    lines = ["| five metrics, 95% intervals, gaps and ratios | CPU, s | against ours |", "| --- | ---: | ---: |"]
    check = ""
    for groups, goal in ((10, 1000), (100, 100)):
        mine, other = against_fairlearn(groups, turns=2)
        what = f"100,000 rows × {groups} groups"
        check = line_error(other) if groups == 10 else check
        lines += [
            f"| {what}: ours, {REPLICATES:,} replicates | {mine:.3f} | 1 |",
            f"| {what}: fairlearn, {PEER_REPLICATES} replicates¹ | {other:.1f} | {other / mine:,.0f} (goal {goal:,}) |",
        ]
    mine, other = against_rows(turns=5)
    lines += [
        f"| 10,000 rows × 10 groups: ours, {REPLICATES:,} replicates | {mine:.3f} | 1 |",
        f"| 10,000 rows × 10 groups: rows by numpy, {REPLICATES:,} replicates² | {other:.3f} "
        f"| {other / mine:.1f} (goal 5) |",
    ]
    notes = f"""
¹ fairlearn {fairlearn.__version__} `MetricFrame(n_boot=…, ci_quantiles=[0.025, 0.975])` with `difference_ci` and \
`ratio_ci`. Measured at {MEASURED[0]} and {MEASURED[1]} replicates; the line through both is followed to \
{PEER_REPLICATES}, so that figure is no single run. How far the line holds (10 groups): {check}. Ours has \
a hundred times as many replicates, and simultaneous intervals of the gaps beside the percentiles.

² Indices of 32 bits, `numpy.bincount`, metrics of all replicates at once, the same quantiles.

"""
    sizes = by_size(turns=15)
    table = ["| rows × 10 groups, ours | CPU, s | against a tenth of the rows (goal: at most 1.5) |"]
    table += ["| --- | ---: | ---: |"]
    for rows, seconds in sizes.items():
        before = sizes.get(rows // 10)
        table.append(f"| {rows:,} | {seconds:.4f} | {'' if before is None else f'{seconds / before:.2f}'} |")
    return "\n".join([*lines, notes.rstrip("\n"), "", *table])


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    table = measure()
    print(table)
    if options.save:
        where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        path = Path(__file__).parent / "results" / "fairness_bootstrap.md"
        path.write_text(f"{where}, numpy {np.__version__}, one thread.\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

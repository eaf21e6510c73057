"""AUC by group with an interval: one DeLong pass of ours against the bootstrap of fairlearn and scikit-learn.

    python benchmarks/group_auc.py            prints the tables
    python benchmarks/group_auc.py --save     also writes them to benchmarks/results/group_auc.md

CPU time of one process on one thread; contenders take turns, and each figure is the median over the turns.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import fairlearn
import numpy as np
import sklearn
from fairlearn.metrics import MetricFrame
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Groups
from auditkit.measures.ranking import roc_auc
from auditkit.measures.sketch import ScoreTally

ROWS, GROUPS, PEER_REPLICATES, OUR_REPLICATES = 100_000, 10, 100, 500
#: fairlearn is measured at these two numbers of replicates, and the line through both is followed to 100; a run at 100
#: shows how far the line holds.
MEASURED = (2, 6)
BOOTSTRAP, TESTED_ROWS = 4000, 1000
Z = float(ndtri(0.975))


def sample(rows: int, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group, label, and a score with some ties."""
    rng = np.random.default_rng(rows + groups)
    group, target = rng.integers(0, groups, rows), (rng.random(rows) < 0.3).astype(np.int64)
    score = np.round(1 / (1 + np.exp(-(1.5 * target - 0.7 + rng.normal(0, 1, rows)))), 3)
    return group, target, score


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def ours(group: np.ndarray, target: np.ndarray, score: np.ndarray, groups: int) -> list[Estimate]:
    """AUC and its DeLong interval in every group: rows are sorted by group once."""
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(groups + 1))
    s, y = score[order], target[order] == 1
    return [roc_auc(s[a:b], y[a:b]) for a, b in pairwise(ends)]


def ours_resampled(group: np.ndarray, target: np.ndarray, score: np.ndarray, groups: int) -> object:
    """Resampled AUCs of every group, from the counts of its distinct scores."""
    where = Groups("group", tuple(f"{g:03d}" for g in range(groups)), group)
    tally = ScoreTally.of(where, target == 1, score)
    return [tally.roc_auc_replicates(name, OUR_REPLICATES) for name in where.labels]


def theirs(group: np.ndarray, target: np.ndarray, score: np.ndarray, replicates: int) -> object:
    """fairlearn's frame with scikit-learn's AUC, and its intervals by group."""
    frame = MetricFrame(
        metrics=roc_auc_score,
        y_true=target,
        y_pred=score,
        sensitive_features=group,
        n_boot=replicates,
        ci_quantiles=[0.025, 0.975],
        random_state=0,
    )
    return frame.by_group_ci


def standard_error(found: Estimate) -> float:
    """From the width of the interval on the logit scale, where it is symmetric."""
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    low, high = (np.log(end / (1 - end)) for end in (found.low, found.high))
    return float((high - low) / (2 * Z) * found.value * (1 - found.value))


def sun_xu_error(target: np.ndarray, score: np.ndarray) -> float:
    """DeLong's standard error by mid-ranks (Sun and Xu 2014), written down anew."""
    x, y = score[target == 1], score[target == 0]
    m, n = len(x), len(y)
    both = rankdata(np.concatenate([x, y]))
    v10 = (both[:m] - rankdata(x)) / n
    v01 = 1 - (both[m:] - rankdata(y)) / m
    return float(np.sqrt(np.var(v10, ddof=1) / m + np.var(v01, ddof=1) / n))


def row_errors(target: np.ndarray, score: np.ndarray) -> float:
    """Standard deviation of the AUC over resampled rows, by the rank sum of scipy."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(BOOTSTRAP):
        rows = rng.integers(0, len(score), len(score))
        t, ranks = target[rows], rankdata(score[rows])
        m = int(t.sum())
        found.append((ranks[t == 1].sum() - m * (m + 1) / 2) / (m * (len(t) - m)))
    return float(np.std(found, ddof=1))


def speed(turns: int = 3) -> list[str]:
    data = sample(ROWS, GROUPS)
    mine, drawn, few, more = [], [], [], []
    for _ in range(turns):
        mine.append(cpu(lambda: ours(*data, GROUPS)))
        few.append(cpu(lambda: theirs(*data, MEASURED[0])))
        drawn.append(cpu(lambda: ours_resampled(*data, GROUPS)))
        mine.append(cpu(lambda: ours(*data, GROUPS)))
        more.append(cpu(lambda: theirs(*data, MEASURED[1])))
    direct = cpu(lambda: theirs(*data, PEER_REPLICATES))
    one, all_drawn, first, second = (statistics.median(times) for times in (mine, drawn, few, more))
    each, my_each = (second - first) / (MEASURED[1] - MEASURED[0]), all_drawn / OUR_REPLICATES
    whole = first + each * (PEER_REPLICATES - MEASURED[0])
    return [
        f"| AUC by group, {ROWS:,} rows × {GROUPS} groups | ours: CPU, s | fairlearn + scikit-learn¹: CPU, s | ratio |",
        "| --- | ---: | ---: | ---: |",
        f"| a 95% interval: one DeLong pass, against {PEER_REPLICATES} replicates | {one:.4f} | {whole:.2f} "
        f"| {whole / one:,.0f} (goal 200) |",
        f"| a replicate, against a replicate² | {my_each:.5f} | {each:.4f} | {each / my_each:,.0f} (goal 200) |",
        f"| one DeLong pass, against one replicate | {one:.4f} | {each:.4f} | {each / one:.0f} |",
        f"| the {PEER_REPLICATES} replicates in one single run, to check the first line | {one:.4f} | {direct:.2f} "
        f"| {direct / one:,.0f} |",
    ]


def accuracy() -> list[str]:
    group, target, score = sample(TESTED_ROWS * 4, 4)
    lines = [
        f"| group of about {TESTED_ROWS:,} rows | ours | Sun and Xu's DeLong | ratio "
        f"| {BOOTSTRAP:,} resamples of rows | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for g, found in enumerate(ours(group, target, score, 4)):
        t, s = target[group == g], score[group == g]
        mine, peer, rows = standard_error(found), sun_xu_error(t, s), row_errors(t, s)
        lines.append(f"| {g + 1} | {mine:.5f} | {peer:.5f} | {mine / peer:.4f} | {rows:.5f} | {mine / rows:.3f} |")
    return lines


def measure() -> str:
    """The tables."""
    note = f"""
¹ fairlearn {fairlearn.__version__} `MetricFrame(n_boot=…)` with scikit-learn {sklearn.__version__} `roc_auc_score`. \
Measured at {MEASURED[0]} and {MEASURED[1]} replicates; the line through both is followed to {PEER_REPLICATES}.

² Ours are drawn from the counts of the distinct scores (rounded to 0.001, about 800 a group and label), a share of \
counting them included ({OUR_REPLICATES} replicates). Our interval needs none.

Standard errors (goal: within 5%):
"""
    return "\n".join([*speed(), note, *accuracy()])


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    table = measure()
    print(table)
    if options.save:
        where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        path = Path(__file__).parent / "results" / "group_auc.md"
        path.write_text(f"{where}, numpy {np.__version__}, one thread.\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

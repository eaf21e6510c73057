"""How checks read evidence: splits, rows of a table, and the statistics that a task leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.core.errors import AuditkitError
from auditkit.core.evidence import Evidence
from auditkit.core.outcomes import NO_LABEL, Groups, Outcomes
from auditkit.core.task import GapRule, RowStatistic, Task
from auditkit.core.types import Better, BoolArray, FloatArray, IntArray

TRAIN = "train"
OUTPUT = "output:"
_MANY_GROUPS = 10
#: So many groups are compared only where each has rows enough, on average, to say something of it.
_VERY_MANY_GROUPS, _ROWS_EACH = 2000, 10


def held_out(evidence: Evidence) -> tuple[str, ...]:
    """The splits that training did not see: all but `train`; `train` itself where there is no other."""
    return new_splits(evidence) or evidence.data.splits


def measured_splits(evidence: Evidence, check: str) -> tuple[str, ...]:
    """The splits that training did not see, and those that a gate on that check names."""
    named = [asked.split for asked in evidence.asked_of(check) if asked.split in evidence.data.splits]
    return tuple(dict.fromkeys([*held_out(evidence), *named]))


def new_splits(evidence: Evidence) -> tuple[str, ...]:
    """The splits besides `train`, which it can be compared with."""
    return tuple(split for split in evidence.data.splits if split != TRAIN)


def rows_of(table: pa.Table, split: str) -> pa.Table:
    """The rows of one split."""
    return table.filter(pc.equal(table.column("split"), split))


def floats(table: pa.Table, column: str) -> FloatArray:
    """One numeric column as float64 `[n]`, NaN where missing."""
    return np.asarray(pc.cast(table.column(column), pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def integers(table: pa.Table, column: str) -> IntArray:
    """One column of whole numbers as int64 `[n]`; it may hold no missing value."""
    return np.asarray(table.column(column).to_numpy(), dtype=np.int64)


def codes(column: pa.ChunkedArray) -> IntArray:
    """Values of any type as codes `[n]` in the order of first appearance, -1 where missing."""
    encoded = column.combine_chunks().dictionary_encode()
    array = encoded if isinstance(encoded, pa.DictionaryArray) else encoded.combine_chunks()
    return np.asarray(pc.fill_null(array.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def labels(column: pa.ChunkedArray) -> tuple[IntArray, tuple[str, ...]]:
    """Values as codes `[n]` beside the text of each code, in the order of first appearance."""
    found = codes(column)
    values, first = np.unique(found, return_index=True)
    known = values >= 0
    names = tuple(str(column[int(i)].as_py()) for i in first[known])
    return found, names


def outputs(table: pa.Table) -> FloatArray:
    """The columns `output:*` as float64 `[n, C]`, in their stored order."""
    names = [name for name in table.column_names if name.startswith(OUTPUT)]
    return np.column_stack([floats(table, name) for name in names]) if names else np.empty((len(table), 0))


def no_outcomes(task: Task) -> Outcomes:
    """Outcomes of no rows: enough to ask a task which statistics it has."""
    kind: npt.DTypeLike = np.int64 if task.classes else np.float64
    nothing: npt.NDArray[Any] = np.empty(0, dtype=kind)
    scored = bool(task.classes) and bool(task.calibration_offers())
    scores = np.empty((0, len(task.classes))) if scored else None
    return Outcomes("", np.empty(0, dtype=np.int64), nothing, nothing, scores)


def known_statistics(task: Task) -> tuple[RowStatistic, ...]:
    """Every row statistic that the task can leave, over no rows."""
    return tuple(task.statistics(no_outcomes(task)))


def headline(task: Task, outcomes: Outcomes) -> RowStatistic:
    """The statistic that stands for the rest."""
    return next(s for s in task.statistics(outcomes) if s.name == task.headline and s.class_ is None)


def share_of(name: str, which: BoolArray, empty: str) -> RowStatistic:
    """The share of all rows for which `which` (`[n]`) holds, fewer being better; `empty` as in `RowStatistic`."""
    everywhere = np.ones(len(which), dtype=np.bool_)
    return RowStatistic(name, "proportion", which.astype(np.float64), everywhere, Better.LOWER, empty)


def names_rows(groups: Groups) -> bool:
    """Whether an attribute names rows: over ten groups with fewer than two rows each on average, or over 2,000 with
    fewer than ten; groups without a row don't count. Shops, schools or clinics may be many; what tells them from an id
    is how many rows share one."""
    most = max(min(groups.rows / 2, _VERY_MANY_GROUPS), groups.rows / _ROWS_EACH)
    return int(np.count_nonzero(groups.sizes())) > max(_MANY_GROUPS, most)


def is_share(statistic: RowStatistic) -> bool:
    """Whether values of that statistic read as percentages."""
    return statistic.kind == "proportion"


def limits_of_gap(rule: GapRule, statistics: Sequence[RowStatistic]) -> tuple[float, float | None]:
    """What a gap can never be below or above: no difference is negative, no ratio (smallest over largest) above 1, and
    the difference of two shares is one."""
    if rule.form == "ratio":
        return 0.0, 1.0
    behind = [s.limits for s in statistics if s.name in rule.statistics and s.class_ == rule.class_]
    spans = [high - low for low, high in behind if low is not None and high is not None]
    # The rows without a label are a share that no task has among its own statistics.
    return 0.0, max(spans, default=1.0) if len(spans) == len(behind) else None


def loss_statistic(task: Task, outcomes: Outcomes) -> RowStatistic:
    """The task's loss as a row statistic named `loss`: it counts the rows on which the loss is known."""
    loss = task.loss(outcomes)
    counts: BoolArray = ~np.isnan(loss)
    told = np.where(counts, loss, 0.0)
    return RowStatistic("loss", "mean", told, counts, Better.LOWER, "a label and a score", low=0.0)


def differences(first: RowStatistic, second: RowStatistic) -> FloatArray:
    """`first − second` on each row, `[n]`, NaN where not both count; infinite where it is too large to be computed."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = first.numerator - second.numerator
    both = first.counts & second.counts
    return np.where(both, np.where(np.isnan(values), np.inf, values), np.nan)


def splits_in(table: pa.Table) -> tuple[str, ...]:
    """The splits that a table holds rows of, in the order in which it names them."""
    return tuple(str(split) for split in pc.unique(table.column("split")).to_pylist())


def changed_outcomes(task: Task, table: pa.Table, like: Outcomes) -> Outcomes | str:
    """What the model answered for the rows of `like` (aligned with `table`) after their inputs were changed.

    Read through the task's own `response_of`, which knows what the model returns. The prediction is the class with the
    highest score, whatever the threshold of the clean pass. A sentence says why there is none.
    """
    if OUTPUT + "0" in table.column_names:
        raw = outputs(table)
        if not task.classes:
            return replace(like, prediction=task.response_of(raw, like))
        every = range(len(task.classes))
        try:
            of_class = [task.response_of(raw, replace(like, prediction=np.full(len(like), c))) for c in every]
        except AuditkitError as error:
            return str(error)
        scores = np.column_stack(of_class)
        best = np.argmax(np.nan_to_num(scores, nan=-1.0), axis=1)
        return replace(like, scores=scores, prediction=np.where(np.isfinite(scores).all(axis=1), best, NO_LABEL))
    if "label" not in table.column_names:
        return "the table holds neither outputs nor labels"
    given = table.column("label").to_pylist()
    if not task.classes:
        return replace(like, scores=None, prediction=np.array([np.nan if v is None else float(v) for v in given]))
    code = {label: at for at, label in enumerate(task.classes)}
    found = np.array([code.get(str(v), NO_LABEL) for v in given], dtype=np.int64)
    return replace(like, scores=None, prediction=found)

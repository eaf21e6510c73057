"""What forbids a pass on a split as a whole, however well its numbers look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.checks.data.repeats import repeated_elsewhere, repeats
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding
from auditkit.core.messages import percent
from auditkit.core.outcomes import Outcomes
from auditkit.core.tables import FINGERPRINTS, PREDICTIONS, ROWS
from auditkit.core.types import INTERSECTION

#: Above this share of copies an interval promises more than the rows can hold (deepchecks' default for duplicates).
MOST_COPIES = 0.05
#: So many rows of a split in train leave nothing to generalize to.
SAME_ROWS = 0.9
#: So many distinct rows don't all repeat a multiple of the same number of times by chance.
_ENOUGH_DISTINCT = 20
_TRAIN = "train"
#: A check of the bias family that asks nothing of the model.
_WITHOUT_MODEL = "bias.data"
_OF_SCORES = ("roc_auc", "average_precision", "log_loss", "brier", "expected_calibration_error")


@dataclass(frozen=True)
class Doubt:
    """One reason against a pass on a split.

    It stands against everything that rows say there (`all`), against what the model's answers say (`answers`), against
    what rests on its decisions alone (`decisions`), against comparisons with train (`comparisons`), or against
    intersections (`intersections`).
    """

    split: str
    reason: str
    about: Literal["all", "answers", "decisions", "comparisons", "intersections"] = "all"

    def concerns(self, finding: Finding) -> bool:
        """Whether it stands against this finding. What the data alone says counts copies and gaps itself."""
        scope = finding.scope
        if finding.family == "data" or self.split not in (scope.split, scope.reference):
            return False
        if self.about in ("answers", "decisions") and finding.check == _WITHOUT_MODEL:
            return False
        if self.about == "decisions":
            return not finding.metric.removeprefix("worst_group_").startswith(_OF_SCORES)
        if self.about == "comparisons":
            return scope.reference == _TRAIN
        return self.about in ("all", "answers") or INTERSECTION in (scope.attribute or "")


def doubts_about(evidence: Evidence, sampled: Sequence[str] = ()) -> list[Doubt]:
    """Every reason against a pass. `sampled`: the splits of which only some rows were read."""
    found = [doubt for split in evidence.data.splits for doubt in _of_split(evidence, split)]
    found += [
        Doubt(
            split,
            f"Only a sample of {split} was read, so a combination of groups may have been left out; judge "
            "intersections on all rows.",
            "intersections",
        )
        for split in sampled
    ]
    return found


def _of_split(evidence: Evidence, split: str) -> list[Doubt]:
    outcomes = evidence.outcomes(split)
    found = []
    unscored = outcomes.rows_where(~outcomes.scored)
    if unscored:
        rows = "1 row" if unscored == 1 else f"{unscored:,} rows"
        reason = f"{rows} of {split} could not be scored: the value is that of the rest."
        found.append(Doubt(split, reason, "answers"))
    if _constant(outcomes):
        reason = f"The model decides the same for every row of {split}: what looks equal or good there shows nothing."
        found.append(Doubt(split, reason, "decisions" if _varied_scores(outcomes) else "answers"))
    copies = _copies(evidence, split)
    if copies is not None:
        reason = f"{percent(copies)} of the rows of {split} are copies of others: there is less evidence than rows."
        found.append(Doubt(split, reason))
    overlap = _overlap(evidence, split)
    if overlap is not None:
        reason = f"{percent(overlap)} of the rows of {split} stand in train, too: there is nothing to generalize to."
        found.append(Doubt(split, reason, "comparisons"))
    return found


def _constant(outcomes: Outcomes) -> bool:
    """Whether all decisions are the same, over the rows that count: scored, of some weight, labelled if any is."""
    counts = outcomes.scored
    if outcomes.weight is not None:
        counts = counts & (outcomes.weight > 0)
    if (counts & outcomes.labelled).any():
        counts = counts & outcomes.labelled
    decisions = outcomes.prediction[counts].astype(np.float64)
    if outcomes.rows_where(counts) < 2:
        return False
    return bool(np.ptp(decisions) <= 1e-9 * np.max(np.abs(decisions)))


def _varied_scores(outcomes: Outcomes) -> bool:
    if outcomes.scores is None:
        return False
    known = outcomes.scores[outcomes.scored]
    return bool(len(known) and np.max(np.ptp(known, axis=0)) > 1e-6)


def _copies(evidence: Evidence, split: str) -> float | None:
    """The share of rows that are copies, where it is too large and chance does not explain it."""
    rows = _rows_of(evidence.table(ROWS.name), split)
    if evidence.outcomes(split).rows < 2:
        return None
    stored_once = evidence.has(FINGERPRINTS.name)
    if stored_once or "row_hash" in rows.column_names:
        found = repeats(_rows_of(evidence.table(FINGERPRINTS.name), split) if stored_once else rows)
        share = found.copies / found.rows
        if share > MOST_COPIES and not found.by_chance:
            return share
    return _every_row_repeats(rows, _rows_of(evidence.table(PREDICTIONS.name), split))


def _every_row_repeats(rows: pa.Table, predictions: pa.Table) -> float | None:
    """The share of copies where every distinct row, answer included, stands there k, 2k, 3k, ... times (k ≥ 2).

    Many distinct rows don't do that by chance, whatever they hold; a file that was appended to itself does.
    """
    columns = [c for c in rows.column_names if c not in ("split", "row", "id", "cluster", "input_hash", "count")]
    codes = [pc.dictionary_encode(rows[c].combine_chunks()).indices.fill_null(-1) for c in columns]
    answers = [c for c in predictions.column_names if c not in ("split", "row")]
    codes += [pc.dictionary_encode(predictions[c].combine_chunks()).indices.fill_null(-1) for c in answers]
    key = np.zeros(rows.num_rows, dtype=np.int64)
    for code in codes:
        _, key = np.unique(key * (rows.num_rows + 2) + np.asarray(code) + 1, return_inverse=True)
    stored = rows["count"].to_numpy() if "count" in rows.column_names else None
    times = np.bincount(key, weights=stored).astype(np.int64)
    common = int(np.gcd.reduce(times))
    return 1 - 1 / common if common >= 2 and len(times) >= _ENOUGH_DISTINCT else None


def _overlap(evidence: Evidence, split: str) -> float | None:
    table = evidence.table(ROWS.name)
    if split == _TRAIN or _TRAIN not in evidence.data.splits or "row_hash" not in table.column_names:
        return None
    here, train = (_rows_of(table, name)["row_hash"] for name in (split, _TRAIN))
    share = float(repeated_elsewhere(here, train).mean()) if len(here) else 0.0
    return share if share >= SAME_ROWS else None


def _rows_of(table: pa.Table, split: str) -> pa.Table:
    return table.filter(pc.equal(table["split"], split))

"""What forbids a pass on a split as a whole, however well its numbers look."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from auditkit.checks.data.repeats import repeats
from auditkit.core.evidence import Evidence
from auditkit.core.messages import percent
from auditkit.core.outcomes import Outcomes
from auditkit.core.tables import ROWS

#: Above this share of copies an interval promises more than the rows can hold (deepchecks' default for duplicates).
MOST_COPIES = 0.05


def doubts_about(evidence: Evidence) -> dict[str, str]:
    """For each split on which no gate may pass, the reason in one sentence."""
    found = {split: _doubt(evidence, split) for split in evidence.data.splits}
    return {split: reason for split, reason in found.items() if reason is not None}


def _doubt(evidence: Evidence, split: str) -> str | None:
    outcomes = evidence.outcomes(split)
    unscored = int((~outcomes.scored).sum())
    if unscored:
        return f"{unscored:,} rows of {split} could not be scored, so the value speaks only for the rest."
    if _constant(outcomes):
        return (
            f"The model gives the same answer for every row of {split}: what looks equal or good there shows nothing."
        )
    copies = _copies(evidence, split)
    if copies is not None:
        return f"{percent(copies)} of the rows of {split} are copies of others: there is less evidence than rows."
    return None


def _constant(outcomes: Outcomes) -> bool:
    if len(outcomes) < 2:
        return False
    first = outcomes.prediction[0]
    same = bool(np.all(outcomes.prediction == first))
    if not same or outcomes.scores is None:
        return same
    return bool(np.all(outcomes.scores == outcomes.scores[0]))


def _copies(evidence: Evidence, split: str) -> float | None:
    """The share of rows that are copies, where it is too large and chance does not explain it."""
    table = evidence.table(ROWS.name)
    if "row_hash" not in table.column_names:
        return None
    found = repeats(table.filter(pc.equal(table["split"], split)))
    share = found.copies / found.rows if found.rows else 0.0
    return share if share > MOST_COPIES and not found.by_chance else None

"""The deletion test: does the order that an explanation gives destroy the prediction faster than a random one?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditkit.checks.reading import floats, integers
from auditkit.core.estimate import Estimate
from auditkit.core.outcomes import Outcomes, places
from auditkit.core.types import FloatArray, IntArray
from auditkit.measures.deletion import deletion_test
from auditkit.measures.difference import paired_mean

ORDERS = ("attribution", "random")


@dataclass(frozen=True)
class Deletion:
    """`shares` (`[s]`, in [0, 1]): the part of the inputs that is replaced; `curves`: the mean response at each of
    them by order; `gain`: the area under the random curve minus that under the explanation's."""

    shares: FloatArray
    curves: dict[str, tuple[Estimate, ...]]
    gain: Estimate
    rows: int


def deletion(table: pa.Table, outcomes: Outcomes, confidence: float) -> Deletion | str:
    """The curves and the gain over the rows that have both; a sentence says why there are none."""
    responses = {order: _responses(table, order) for order in ORDERS}
    rows = np.intersect1d(responses["attribution"][0], responses["random"][0])
    shares = responses["attribution"][1]
    if not len(rows) or len(shares) < 2 or not np.array_equal(shares, responses["random"][1]):
        return "the deletion test holds no rows for which both orders were tried"
    tested = outcomes.where(places(rows, outcomes.row))
    response = {o: known[2][places(rows, known[0])] for o, known in responses.items()}
    curves = {
        order: tuple(paired_mean(column, tested.design, confidence) for column in values.T)
        for order, values in response.items()
    }
    gain = deletion_test(shares, response["attribution"], response["random"], tested.design, confidence)
    return Deletion(shares, curves, gain, len(rows))


def _responses(table: pa.Table, order: str) -> tuple[IntArray, FloatArray, FloatArray]:
    """The rows of one order (`[k]`), the shares (`[s]`), and the responses (`[k, s]`, NaN where one is missing)."""
    part = table.filter(pc.equal(table.column("order"), order))
    rows, at = np.unique(integers(part, "row"), return_inverse=True)
    steps, step = np.unique(integers(part, "step"), return_inverse=True)
    response = np.full((len(rows), len(steps)), np.nan)
    response[at, step] = floats(part, "response")
    shares = np.full(len(steps), np.nan)
    shares[step] = floats(part, "share")
    return rows, shares, response

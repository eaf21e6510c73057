"""Probe: the deletion test. Inputs are replaced one after another, in the order an explanation gives and at random.

An explanation that means something destroys the prediction faster than a random order does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auditkit.core.model import Outputs
from auditkit.core.outcomes import Outcomes
from auditkit.core.tables import ATTRIBUTIONS, DELETION, PERMUTATIONS, PREDICTIONS, ROWS
from auditkit.core.types import FloatArray, IntArray
from auditkit.data.spec import label_text
from auditkit.probes.base import ProbeContext
from auditkit.probes.sample import Sample, derangement, outputs_of

_ORDERS = ("attribution", "random")
_MAX_STEPS = 20


@dataclass(frozen=True)
class Deletion:
    """Deletion curves (Samek et al. 2017; Petsiuk et al. 2018) with replacement by the values of another row.

    With attributions, each row has an order of its own (by |attribution|). Without, all rows share the order of the
    permutation importance, learnt on other rows than those tested here. Both orders replace by the same donors.
    `response` is 1 where the output is unchanged and falls with the size of its change: 1 − |Δ| for scores,
    1 − |Δ| / (standard deviation of the predictions) for values.
    """

    rows: int = 200
    random_orders: int = 3
    split: str = "test"
    name: str = "deletion test"
    provides: tuple[str, ...] = (DELETION.name,)
    needs: tuple[str, ...] = (ROWS.name, PREDICTIONS.name)
    after: tuple[str, ...] = (ATTRIBUTIONS.name, PERMUTATIONS.name)

    def request(self) -> Mapping[str, Any]:
        """See `Probe`."""
        return {"rows": self.rows, "random_orders": self.random_orders, "split": self.split}

    def unavailable(self, context: ProbeContext) -> str | None:
        """See `Probe`."""
        if context.model is None:
            return "there is no model here, only its predictions"
        if not any(context.evidence.has(table) for table in self.after):
            return "there is no explanation to test"
        return "one input alone has no order" if len(context.dataset.inputs) < 2 else None

    def collect(self, context: ProbeContext) -> Mapping[str, pa.Table]:
        """See `Probe`."""
        sample, ranks = self._ranks(context)
        size, features = ranks.shape
        if size < 2:
            return {}
        rng = context.evidence.rng(self.name, self.split)
        donors = derangement(rng, size)
        orders = [("attribution", ranks)]
        orders += [
            ("random", rng.permuted(np.tile(np.arange(features), (size, 1)), axis=1)) for _ in range(self.random_orders)
        ]
        # The last input stays: with all of them gone every order has reached the donor, whose answer is known.
        steps = np.unique(np.linspace(0, features - 1, min(features - 1, _MAX_STEPS) + 1).round().astype(int))
        curves: dict[str, list[FloatArray]] = {name: [] for name in _ORDERS}
        with context.progress.bar(self.name, len(orders) * (len(steps) - 1)) as bar:
            for name, order in orders:
                curve = np.ones((size, len(steps)))
                for position, count in enumerate(steps[1:], start=1):
                    if context.budget.spent(self.name):
                        return {}
                    changed = _replace(sample, order[:, :count], donors)
                    curve[:, position] = _kept(context, sample.outcomes, context.predict_changed(sample, changed))
                    bar.advance()
                curves[name].append(curve)
        return {DELETION.name: _table(curves, sample, steps / features, self.split)}

    def _ranks(self, context: ProbeContext) -> tuple[Sample, IntArray]:
        """The rows to test, and for each the inputs from most to least important: int64 `[k, F]`."""
        names = [item.name for item in context.dataset.inputs]
        if context.evidence.has(ATTRIBUTIONS.name):
            table = context.evidence.table(ATTRIBUTIONS.name)
            matrix = np.abs(table["value"].to_numpy().reshape(-1, len(names)))
            listed = table["feature"].to_pylist()[: len(names)]
            matrix = matrix[: self.rows, [listed.index(name) for name in names]]
            return context.sample(self.split).take(len(matrix)), np.argsort(-matrix, axis=1, kind="stable")
        learnt = _permutation_effect(context, self.split, names, self.rows)
        order = np.argsort(-learnt, kind="stable")
        sample = context.sample(self.split).take(self.rows)
        return sample, np.tile(order, (len(sample), 1))


def _permutation_effect(context: ProbeContext, split: str, names: list[str], tested: int) -> FloatArray:
    """Mean |change of the response| by permuting each input, over the rows that the test will not use, `[F]`."""
    table = context.evidence.table(PERMUTATIONS.name).combine_chunks()
    everything = context.sample(split)
    position = {int(row): i for i, row in enumerate(everything.outcomes.row)}
    where = np.array([position[int(row)] for row in table["row"].to_numpy()])
    encoded = table["feature"].combine_chunks().dictionary_encode()
    codes, known = np.asarray(encoded.indices.to_numpy()), encoded.dictionary.to_pylist()
    apart = where >= min(tested, len(everything) // 2)
    # The rows of each input, from one sort: there may be thousands of inputs.
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(known) + 1))
    of_input = {name: order[start:stop] for name, (start, stop) in zip(known, pairwise(ends.tolist()), strict=True)}
    effect = np.zeros(len(names))
    for index, name in enumerate(names):
        rows = of_input.get(name, order[:0])
        rows = rows[apart[rows]]
        if len(rows):
            outputs = outputs_of(table.take(pa.array(rows)))
            effect[index] = float(np.mean(1 - _kept(context, everything.outcomes.where(where[rows]), outputs)))
    return effect


def _replace(sample: Sample, order: npt.NDArray[Any], donors: IntArray) -> dict[str, Any]:
    """The inputs with those named in each row of `order` `[k, c]` taken from the row's donor."""
    gone = np.zeros((len(sample.inputs), len(order)), dtype=np.bool_)
    gone[order, np.arange(len(order))[:, None]] = True
    return {
        name: np.where(of_input, values[donors], values)
        for of_input, (name, values) in zip(gone, sample.inputs.items(), strict=True)
    }


def _kept(context: ProbeContext, like: Outcomes, outputs: Outputs) -> FloatArray:
    """How much of each row's response is left, `[k]`; see `Deletion`."""
    task = context.evidence.task
    if outputs.values is None:
        assert outputs.labels is not None
        return _labels_kept(task.classes, like.prediction, outputs.labels)
    before = task.response(like)
    change = np.abs(task.response_of(outputs.values, like) - before)
    scale = 1.0 if task.classes else float(np.std(before)) or 1.0
    return 1 - np.nan_to_num(change / scale, nan=1.0)


def _labels_kept(classes: tuple[str, ...], prediction: npt.NDArray[Any], labels: npt.NDArray[Any]) -> FloatArray:
    if not classes:
        values = np.array([np.nan if v is None else float(v) for v in labels])
        scale = float(np.std(prediction)) or 1.0
        return np.asarray(1 - np.nan_to_num(np.abs(values - prediction) / scale, nan=1.0), dtype=np.float64)
    same = [
        label is not None and label_text(label) == classes[int(code)]
        for label, code in zip(labels, prediction, strict=True)
    ]
    return np.array(same, dtype=np.float64)


def _table(curves: dict[str, list[FloatArray]], sample: Sample, shares: FloatArray, split: str) -> pa.Table:
    parts = []
    for order, runs in curves.items():
        curve = np.mean(runs, axis=0)
        rows, steps = curve.shape
        parts.append(
            pa.table(
                {
                    "split": pa.array([split] * curve.size),
                    "row": np.repeat(sample.outcomes.row[:rows], steps),
                    "order": pa.array([order] * curve.size),
                    "step": np.tile(np.arange(steps), rows),
                    "share": np.tile(shares, rows),
                    "response": curve.ravel(),
                }
            )
        )
    return pa.concat_tables(parts)

"""The evidence tables: their names, keys and columns. Evidence is these tables and nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TableSchema:
    """One kind of evidence. Columns named `prefix*` stand for as many columns as the data or model has."""

    name: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    about: str


ROWS = TableSchema(
    "rows",
    ("split", "row"),
    ("target", "group:*", "id", "weight", "cluster", "input_hash", "row_hash", "count"),
    "What the data says of each row: label, groups, weight, cluster, hashes of its inputs and of inputs and label. "
    "Rows that are alike in all that matters may be stored once, with their `count`.",
)
FINGERPRINTS = TableSchema(
    "fingerprints",
    ("split", "input_hash", "row_hash"),
    ("target", "count"),
    "Where rows are stored once: hashes of what else they hold, of a sample that holds all copies of each of its rows.",
)
PREDICTIONS = TableSchema(
    "predictions",
    ("split", "row"),
    ("output:*", "label"),
    "What the model answered for each row: the raw outputs, or a label. Frozen once written; nothing re-scores a row.",
)
COLUMNS = TableSchema(
    "columns",
    ("split", "column", "part"),
    ("kind", "rows", "missing", "infinite", "total", "squares", "low", "high", "first", "last"),
    "Mergeable sums of each input column over each shard: rows, missing, sum, sum of squares, extremes (`low` and "
    "`high` of numbers, `first` and `last` of texts).",
)
BASELINE = TableSchema(
    "baseline",
    ("split", "row"),
    ("output:*",),
    "What a linear model, fitted on a sample of the training rows, answers for each test row.",
)
ATTRIBUTIONS = TableSchema(
    "attributions",
    ("split", "row", "feature"),
    ("value", "delta", "method", "baseline"),
    "How much each input contributed to the output of the predicted class, for a random sample of rows.",
)
PERMUTATIONS = TableSchema(
    "permutations",
    ("split", "row", "feature", "repeat"),
    ("output:*",),
    "What the model answered when one input was replaced by that of another row.",
)
DELETION = TableSchema(
    "deletion",
    ("split", "row", "order", "step"),
    ("share", "response"),
    "The output of the predicted class while inputs are replaced one after another, most important first or at random.",
)
HISTORY = TableSchema(
    "history",
    ("epoch",),
    ("train_loss", "train_metric", "validation_loss", "validation_metric", "learning_rate"),
    "What training measured after each epoch.",
)

"""From plain arrays to what the measures take: rates, means and groups of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from auditkit.core.outcomes import Groups
from auditkit.core.task import RowStatistic
from auditkit.core.types import MISSING_GROUP, Better


def rate_of(
    hit: npt.ArrayLike, among: npt.ArrayLike | None = None, name: str = "rate", better: Better | None = None
) -> RowStatistic:
    """The share of rows that are hits, among those that count: a true-positive rate is the share of rows that are
    predicted positive (`hit`) among the positives (`among`).

    Both are bool `[n]`; without `among` every row counts. `name` names it in gaps and reasons, `better` says which
    direction is good. Raises `ValueError` where the lengths differ, or values are other than 0 and 1.
    """
    hits = _booleans(hit, "hit")
    counts = np.ones(len(hits), dtype=np.bool_) if among is None else _booleans(among, "among")
    if len(hits) != len(counts):
        raise ValueError(f"hit has {len(hits)} rows, among has {len(counts)}")
    return RowStatistic(name, "proportion", (hits & counts).astype(np.float64), counts, better, f"what {name} counts")


def mean_of(values: npt.ArrayLike, name: str = "mean", better: Better | None = None) -> RowStatistic:
    """The mean of `values` (`[n]`, any unit); rows that are NaN do not count. `name` and `better` as in `rate_of`."""
    found = np.asarray(values, dtype=np.float64)
    counts = ~np.isnan(found)
    return RowStatistic(name, "mean", np.where(counts, found, 0.0), counts, better, "a value")


def groups_of(
    values: Sequence[object] | npt.NDArray[np.generic], attribute: str = "group", labels: Sequence[str] | None = None
) -> Groups:
    """The group of each row, from the n labels in `values`, each taken as text; None and NaN are the group `(missing)`.

    `attribute` is what the groups differ by, as reasons name it.
    `labels` declares the groups that must be there, in their order; without it they are those found, sorted. A declared
    group without a row is an absent group: a gap then has no value. Raises `ValueError` for a value that is none of
    them.
    """
    texts = [MISSING_GROUP if value is None or value != value else str(value) for value in values]
    names = tuple(dict.fromkeys(labels)) if labels is not None else tuple(sorted(set(texts)))
    place = {name: code for code, name in enumerate(names)}
    unknown = next((text for text in texts if text not in place), None)
    if unknown is not None:
        raise ValueError(f"a row is in the group {unknown!r}, which is not among {list(names)}")
    return Groups(attribute, names, np.array([place[text] for text in texts], dtype=np.int64))


def _booleans(values: npt.ArrayLike, what: str) -> npt.NDArray[np.bool_]:
    found = np.asarray(values)
    if found.dtype != np.bool_ and not np.isin(found, (0, 1)).all():
        raise ValueError(f"{what} must be true or false for each row")
    return found.astype(np.bool_)

"""Decision trees from a file, checked before they predict: their compiled code follows node numbers unchecked.

skops leaves `Tree` and `TreePredictor` untrusted, because a forged node table makes scikit-learn read outside of its
arrays. Building them is safe (scikit-learn checks type and shape), so they are built, and refused here where a number
leads out of the table. A child's number is always above its parent's, as scikit-learn writes it: no walk goes round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from auditkit.core.errors import InputRefusedError

_MAX_DEPTH = 100
#: These hand their own rows to the trees of their members, whatever those say of themselves.
_SHARED_ROWS = ("BaseForest", "BaseGradientBoosting")


def check_trees(estimator: object, where: str) -> None:
    """Raise `InputRefusedError` where any tree inside a loaded estimator has a node that leads out of its tables."""
    _walk(estimator, where, features=0, categories=False, seen=set(), depth=0)


def _walk(value: Any, where: str, *, features: int, categories: bool, seen: set[int], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InputRefusedError(f"{where}: an estimator nested more than {_MAX_DEPTH} levels deep")
    kind = type(value).__name__
    if kind == "Tree":
        _check_tree(value.__getstate__(), features, where)
        return
    if kind == "TreePredictor":
        _check_predictor(value, features, categories, where)
        return
    children: list[Any] = []
    if isinstance(value, list | tuple | set):
        children = list(value)
    elif isinstance(value, dict):
        children = list(value.values())
    elif isinstance(value, np.ndarray) and value.dtype == object:
        children = list(value.flat)
    elif type(value).__module__.startswith("sklearn.") and hasattr(value, "__dict__"):
        features = _features(value, features)
        categories = categories or _has_categories(value)
        children = list(vars(value).values())
    if not children or id(value) in seen:
        return
    seen.add(id(value))
    for child in children:
        _walk(child, where, features=features, categories=categories, seen=seen, depth=depth + 1)


def _features(value: Any, inherited: int) -> int:
    """How many columns the rows have that reach the trees below `value`."""
    own = getattr(value, "n_features_in_", None)
    if not isinstance(own, int | np.integer):
        return inherited
    bases = {base.__name__ for base in type(value).__mro__}
    if bases.isdisjoint(_SHARED_ROWS):
        return min(int(own), inherited) if inherited and "DecisionTree" in type(value).__name__ else int(own)
    members = [getattr(m, "n_features_in_", own) for m in np.ravel(getattr(value, "estimators_", []))]
    return int(min([own, *members]))


def _has_categories(value: Any) -> bool:
    mapper = getattr(value, "_bin_mapper", None)
    return bool(np.any(getattr(mapper, "is_categorical_", False)))


def _check_tree(state: dict[str, Any], features: int, where: str) -> None:
    nodes = state["nodes"]
    inner = nodes["left_child"] != -1
    good = 0 < state["node_count"] <= len(nodes) and _children_fit(nodes["left_child"], nodes["right_child"], inner)
    if not good or not _within(nodes["feature"][inner], features):
        raise InputRefusedError(
            f"{where}: a decision tree in it has nodes that lead nowhere; the file is forged or broken"
        )


def _check_predictor(value: Any, features: int, categories: bool, where: str) -> None:
    nodes, bits = value.nodes, value.raw_left_cat_bitsets
    inner = nodes["is_leaf"] == 0
    by_category = inner & (nodes["is_categorical"] != 0)
    good = (
        len(nodes) > 0
        and _children_fit(nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), inner)
        and _within(nodes["feature_idx"][inner], features)
        and bits.ndim == 2
        and bits.shape[1] == 8
        and _within(nodes["bitset_idx"][by_category], len(bits))
        and (categories or not by_category.any())
    )
    if not good:
        raise InputRefusedError(
            f"{where}: a boosted tree in it has nodes that lead nowhere; the file is forged or broken"
        )


def _children_fit(left: npt.NDArray[Any], right: npt.NDArray[Any], inner: npt.NDArray[np.bool_]) -> bool:
    own = np.arange(len(inner))[inner]
    return all(bool(((side[inner] > own) & (side[inner] < len(inner))).all()) for side in (left, right))


def _within(values: npt.NDArray[Any], bound: int) -> bool:
    return bool(((values >= 0) & (values < bound)).all())

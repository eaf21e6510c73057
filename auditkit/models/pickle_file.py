"""A scikit-learn estimator in a pickle that somebody trusts. Imported by the worker alone: unpickling runs code."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
from sklearn.exceptions import InconsistentVersionWarning

from auditkit.core.errors import InputRefusedError
from auditkit.models.estimator import EstimatorModel
from auditkit.models.sklearn_trees import check_trees


class PickledEstimator(EstimatorModel):
    """An estimator, and what its reader said of its versions."""

    def __init__(self, estimator: Any, *, name: str, notes: tuple[str, ...]) -> None:
        super().__init__(estimator, name=name)
        self.notes = notes


def open_pickle(path: Path, device: str, options: Mapping[str, Any]) -> PickledEstimator:
    """Unpickle and wrap the estimator. `options["name"]` is what messages call the file.

    `joblib.load` reads plain pickles, too, and those that joblib compressed.
    Raises `InputRefusedError` where the file can't be loaded, or holds no fitted classifier or regressor.
    """
    name = str(options["name"])
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", InconsistentVersionWarning)
            estimator = joblib.load(path)
        check_trees(estimator, name)
        return PickledEstimator(estimator, name=name, notes=_version_notes(said))
    except (InputRefusedError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - unpickling raises whatever its code does
        raise InputRefusedError(f"{name}: {_why(error)}") from None


def _version_notes(said: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """One sentence for each version of scikit-learn that wrote a part of it and is not the one that reads it."""
    found = [item.message for item in said if isinstance(item.message, InconsistentVersionWarning)]
    pairs = dict.fromkeys((str(w.original_sklearn_version), str(w.current_sklearn_version)) for w in found)
    return tuple(
        f"The model was pickled by scikit-learn {old} and loaded by scikit-learn {new}, which does not promise to read "
        "it right."
        for old, new in pairs
    )


def _why(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs the module {error.name!r}, which is not installed here; install it beside auditkit"
    if isinstance(error, AttributeError) and "__main__" in str(error):
        return (
            f"it needs what the script that saved it defined ({str(error)[:150]}); save it with cloudpickle, which "
            "takes such definitions along, or put them into an installed package"
        )
    if isinstance(error, pickle.UnpicklingError | EOFError):
        return f"no pickle, or a damaged one ({type(error).__name__}: {str(error)[:150]})"
    return f"can't be loaded ({type(error).__name__}: {str(error)[:200]})"

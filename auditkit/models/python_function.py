"""A function of a Python file that somebody trusts. Imported by the worker alone, which runs the file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from auditkit.core.errors import ModelCrashedError, PlanError, nearest
from auditkit.core.model import ModelInfo, OutputKind, Outputs
from auditkit.core.types import Batch
from auditkit.models.estimator import to_frame
from auditkit.models.live import as_outputs, estimates_of
from auditkit.models.own_code import attempt, callables, on_line, run_file

#: A file that defines a function of this name has it called once; its answer is the second argument of the function.
LOAD = "load"
_ABSENT = "neither installed here nor among model.files"
_HINT = "; it can read no more than what model.files names"


class FunctionModel:
    """`Model` around a function from a pandas frame to numbers or labels."""

    notes: tuple[str, ...] = ()

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        name: str,
        where: str,
        inputs: Sequence[str],
        outputs: OutputKind | None,
    ) -> None:
        """`outputs` None: it answers labels. `name` is how messages call it, `where` its file."""
        self._function = function
        self._name = name
        self._where = where
        self._inputs = tuple(inputs)
        self._stated = outputs
        self._info = ModelInfo(
            kind="python",
            outputs=outputs or "labels",
            estimates=estimates_of(outputs),
            description=f"Python function {name}",
        )

    @property
    def info(self) -> ModelInfo:
        """What is known of the function."""
        return self._info

    def predict(self, batch: Batch) -> Outputs:
        """Score a batch. Raises `PlanError` where it answers numbers and the plan does not say which,
        `ModelCrashedError` with the line on which it failed."""
        frame = to_frame({name: batch[name] for name in self._inputs or batch})
        rows = len(frame)
        try:
            found = as_outputs(self._function(frame), self._stated)
        except MemoryError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise ModelCrashedError(f"{self._name} failed{on_line(error, self._where)}: {said}") from error
        if found.values is not None and self._stated is None:
            raise PlanError(
                f"model.outputs: {self._name} answers numbers; say whether they are `logits`, `probabilities` or "
                "`values`"
            )
        if len(found) != rows:
            raise ModelCrashedError(f"{self._name} answered {len(found):,} predictions for {rows:,} rows")
        return found

    def close(self) -> None:
        """Nothing is held that Python doesn't give back."""


def open_python(path: Path, device: str, options: Mapping[str, Any]) -> FunctionModel:
    """Run the file, and take its function. `options`: `name` of the file in messages, `function`, `outputs`, `inputs`.

    Raises `InputRefusedError` where the file can't be run, `PlanError` where it has no such function.
    """
    where, wanted = str(options["name"]), str(options["function"])
    # What lies beside the copy, which is what the plan names, can be imported.
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(path.parent))
    module = run_file(path, where, _ABSENT, _HINT)
    function = getattr(module, wanted, None)
    if not callable(function) or wanted == LOAD:
        hint = nearest(wanted, callables(module))
        raise PlanError(f"model.function: {where} defines no function {wanted!r} that predicts{hint}")
    load = getattr(module, LOAD, None)
    if callable(load):
        function = _with(function, attempt(load, where, f"its {LOAD}() failed", _ABSENT, _HINT))
    shown = f"{wanted} of {Path(where).name}"
    return FunctionModel(function, name=shown, where=where, inputs=options["inputs"], outputs=options["outputs"])


def _with(function: Callable[[Any, Any], Any], loaded: object) -> Callable[[Any], Any]:
    return lambda frame: function(frame, loaded)

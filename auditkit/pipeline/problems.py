"""Everything that is wrong with a plan besides its form, found at once: columns, files, checks, gates, the task."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from auditkit.core.check import Check
from auditkit.core.errors import AuditkitError, PlanError, Problem, nearest
from auditkit.core.types import INTERSECTION
from auditkit.data.dataset import Dataset
from auditkit.data.spec import DataSpec
from auditkit.data.survey import Survey
from auditkit.models.python_file import copied_names
from auditkit.models.spec import ModelSpec
from auditkit.pipeline.plan import GateSpec, Plan, RunSpec
from auditkit.pipeline.suite import NumberedGate, gate_problems, select_checks
from auditkit.pipeline.task import every_task, settle_task

#: Which keys of the data section say what the selectors of a gate may name.
_KNOWN_BY = {
    ".by": {"sensitive"},
    ".split": {"splits"},
    ".relative_to": {"splits", "sensitive", "groups", "bands"},
    ".group": {"sensitive", "groups", "bands"},
}
#: Which kind of model a key of the model section belongs to, where it is only one.
_BELONGS = {
    "prediction": "predictions",
    "score": "predictions",
    "scores": "predictions",
    "builder": "torch",
    "preprocess": "torch",
    "function": "python",
    "files": "python",
}
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Parts:
    """The sections of a plan; None (or nothing) where a section is not even right in form."""

    model: ModelSpec | None = None
    data: DataSpec | None = None
    checks: Mapping[str, Any] = field(default_factory=dict)
    gates: Sequence[NumberedGate] = ()
    run: RunSpec = field(default_factory=RunSpec)
    trains: bool = False
    #: Keys of the data section that were wrong: what they would have said must not be missed aloud.
    lost: frozenset[str] = frozenset()

    @property
    def whole_data(self) -> bool:
        """Whether all of the data section is there."""
        return not self.lost

    @classmethod
    def of(cls, plan: Plan) -> Parts:
        """The sections of a whole plan."""
        gates = tuple(enumerate(plan.gate_list))
        return cls(plan.model, plan.data, plan.checks, gates, plan.run, plan.train is not None)

    @classmethod
    def salvaged(cls, tree: Mapping[str, Any], base: Path) -> Parts:
        """What can be understood of a plan that is not right in form: sections without the keys that are wrong."""
        model, data = _salvage(ModelSpec, tree.get("model")), _salvage(DataSpec, tree.get("data"))
        if model is not None:
            model = model.beside(base)
        if data is not None:
            data = data.beside(base)
        checks = tree.get("checks")
        gates = tree.get("gates")
        found = [(i, _salvage_gate(gate)) for i, gate in enumerate(gates)] if isinstance(gates, list) else []
        return cls(
            model,
            data,
            {k: v for k, v in checks.items() if v in ("on", "off") or isinstance(v, dict)}
            if isinstance(checks, dict)
            else {},
            tuple((i, gate) for i, gate in found if gate is not None),
            trains="train" in tree,
            lost=frozenset(DataSpec.model_fields if data is None else set(tree["data"]) - data.model_fields_set),
        )


def _salvage(kind: type[_Model], section: Any) -> _Model | None:
    """The section without its wrong keys, where that is enough to understand the rest."""
    if not isinstance(section, dict):
        return None
    rest = dict(section)
    while True:
        try:
            return kind.model_validate_json(json.dumps(rest), strict=True)
        except ValidationError as error:
            wrong = {item["loc"][0] for item in error.errors() if item["loc"]} & set(rest)
            if not wrong:
                return None
            rest = {key: value for key, value in rest.items() if key not in wrong}


def _salvage_gate(section: Any) -> GateSpec | None:
    if not isinstance(section, dict):
        return None
    found = _salvage(GateSpec, section) or _salvage(GateSpec, {**section, "max": 0, "min": 0})
    # Without what they are relative to, its bounds would be read as those of the metric itself.
    return None if found is not None and found.relative_to is None and section.get("relative_to") else found


@dataclass
class Looked:
    """What a look over a plan found: its problems, and where there are none, the open data and the checks."""

    problems: list[Problem]
    checks: list[Check]
    dataset: Dataset | None = None


def look_over(parts: Parts) -> Looked:
    """Look at everything that can be looked at before the model is loaded.

    Raises `InputRefusedError` where the data can't be read and nothing else is wrong.
    """
    checks, problems = select_checks(parts.checks)
    looked = Looked(problems, checks)
    if parts.model is not None:
        problems += model_problems(parts.model, parts.trains)
    refused: AuditkitError | None = None
    if parts.data is not None:
        if parts.data.target is None and parts.whole_data:
            problems.append(Problem("data.target", "is required: an audit compares predictions with what was true"))
        try:
            looked.dataset = _open(parts, parts.data)
        except PlanError as error:
            problems += error.problems
        except AuditkitError as error:
            refused = error
    problems += _gates(parts, looked)
    if looked.dataset is not None:
        problems += band_problems(parts.gates, looked.dataset.survey)
    if refused is not None and not problems:
        raise refused
    return looked


def _open(parts: Parts, data: DataSpec) -> Dataset:
    extra = prediction_columns(parts.model) if parts.model is not None else []
    return Dataset.open(data, extra=extra, exclude=extra, max_rows=parts.run.max_rows, seed=parts.run.seed)


def _gates(parts: Parts, looked: Looked) -> list[Problem]:
    """What is wrong with the gates: for the task, where plan and data tell which it is, else for every task."""
    data = parts.data or DataSpec(splits={"test": Path("test")})
    splits = tuple(data.splits)
    tasks = every_task()
    if looked.dataset is not None and parts.model is not None and data.target is not None:
        try:
            task = settle_task(parts.model, data, looked.dataset, None).task
        except PlanError as error:
            return [*error.problems, *_in_every_task(parts, looked, tasks, splits, data)]
        certain = parts.model.kind == "predictions" or parts.model.task is not None or data.positive is not None
        if certain and parts.whole_data:
            return gate_problems(parts.gates, looked.checks, task, splits, data)
    # Only the model can say for certain which task this is; its own word is asked once it is open.
    return _in_every_task(parts, looked, tasks, splits, data)


def _in_every_task(
    parts: Parts, looked: Looked, tasks: Sequence[Any], splits: Sequence[str], data: DataSpec
) -> list[Problem]:
    found = [gate_problems(parts.gates, looked.checks, task, splits, data) for task in tasks]
    everywhere = set.intersection(*({problem.where for problem in problems} for problems in found))
    problems = [p for p in found[0] if p.where in everywhere and not p.where.endswith(".class")]
    lost = frozenset(DataSpec.model_fields) if parts.data is None else parts.lost
    unknown = tuple(key for key, known_by in _KNOWN_BY.items() if lost & known_by)
    problems = [p for p in problems if not p.where.endswith(unknown)]
    return [replace(p, message=p.message.replace(f" for {tasks[0].kind.value}", "")) for p in problems]


def band_problems(gates: Sequence[NumberedGate], survey: Survey) -> list[Problem]:
    """Gates on a group of a column that is cut into bands, under a name that no band has."""
    problems = []
    for index, gate in gates:
        labels = gate.group.split(INTERSECTION) if gate.group is not None else []
        for column, label in zip(gate.by or (), labels, strict=False):
            names = () if column not in survey.bands else (*survey.bands[column].names, *survey.groups[column])
            if names and label not in names:
                listed = ", ".join(map(repr, dict.fromkeys(names)))
                message = f"{label!r} is no band of {column!r}: {listed}{nearest(label, names)}"
                problems.append(Problem(f"gates[{index}].group", message))
    return problems


def prediction_columns(spec: ModelSpec) -> list[str]:
    """The columns of a file of predictions that hold predictions and scores."""
    named = [spec.prediction, spec.score, *(spec.scores or {}).values()]
    return list(dict.fromkeys(column for column in named if column is not None))


def model_problems(spec: ModelSpec, trains: bool) -> list[Problem]:
    """What is wrong with the model section, besides its form. `trains`: the plan can train its model."""
    if spec.kind == "predictions":
        if spec.prediction is None and spec.score is None and not spec.scores:
            return [Problem("model", "`kind: predictions` needs `prediction`, `score` or `scores`")]
        keys = ("path", "outputs", "builder", "function", "files", "preprocess")
        return [Problem(f"model.{key}", "means nothing for `kind: predictions`") for key in keys if _given(spec, key)]
    problems = [
        Problem(f"model.{key}", f"belongs to `kind: {kind}`, and this is `kind: {spec.kind}`")
        for key, kind in _BELONGS.items()
        if kind != spec.kind and _given(spec, key)
    ]
    if spec.path is None:
        problems.append(Problem("model.path", f"is required for `kind: {spec.kind}`"))
    elif absence := _absence(spec.path):
        hint = "; `auditkit train` makes one from the plan's `train:` section" if trains else ""
        problems.append(Problem("model.path", f"{absence}{hint}"))
    elif spec.kind == "python" and spec.path.is_dir():
        problems.append(Problem("model.path", f"{spec.path} is a directory; name the Python file"))
    return problems + _file_problems(spec)


def _absence(path: Path) -> str | None:
    """Why there is nothing to open at a path. `Path.exists` raises for a name that is too long, or no permission."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return f"there is nothing at {path}"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None  # something is there: opening it refuses it, as an input
        return f"{path} can't be reached ({(error.strerror or 'unknown').lower()})"
    return None


def _given(spec: ModelSpec, key: str) -> bool:
    return getattr(spec, key) is not None


def _file_problems(spec: ModelSpec) -> list[Problem]:
    """What is wrong with the files that a model needs besides its own."""
    named = {f"files[{i}]": path for i, path in enumerate(spec.files or ())}
    if spec.builder_file is not None:
        named["builder"] = spec.builder_file
    missing = {
        key: _absence(path) or (f"{path} is a directory; name a file" if path.is_dir() else None)
        for key, path in named.items()
    }
    problems = [Problem(f"model.{key}", message) for key, message in missing.items() if message]
    if spec.kind == "torch" and spec.path is not None and spec.path.is_dir():
        message = "means nothing for a directory of `auditkit train`, which holds all that it needs"
        problems += [Problem(f"model.{key}", message) for key in ("builder", "preprocess") if _given(spec, key)]
    if spec.kind != "python" or spec.path is None or problems:
        return problems
    try:
        copied_names(spec.path, spec.files or ())
    except PlanError as error:
        return list(error.problems)
    return []

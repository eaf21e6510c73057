"""From a YAML file to a `Plan`: every problem of its form at once, each with its key, its line and a remedy."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from auditkit.core.errors import AuditkitError, PlanError, Problem, nearest
from auditkit.core.files import digest_of
from auditkit.pipeline.document import Document, Location, dotted, read_document, undotted
from auditkit.pipeline.plan import Plan, RunSpec
from auditkit.pipeline.problems import Parts, look_over

_LATER = ("hf", "onnx", "http")
_WORDS = {
    "missing": "is required",
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "must be a finite number",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected keys with values",
    "model_type": "expected keys with values",
    "model_attributes_type": "expected keys with values",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}


@dataclass(frozen=True)
class LoadedPlan:
    """A plan that is right in form. Its paths are absolute; `stated` is the plan with its paths as they were given.

    `document` tells the line of each key.
    """

    plan: Plan
    stated: Plan
    document: Document
    source: Path | None
    digest: str

    def located(self, problems: Iterable[Problem]) -> list[Problem]:
        """The same problems with the lines on which their keys stand."""
        return [p if p.line else replace(p, line=self.document.line(undotted(p.where))) for p in problems]

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Raise `PlanError` with all of them, if there are any."""
        found = self.located(problems)
        if found:
            raise PlanError(found, str(self.source or "plan"))


def load_plan(path: Path, overrides: Mapping[str, Any] | None = None) -> LoadedPlan:
    """Read and check a plan file. `overrides` are `run:` settings of the command line; they win over the file's.

    Raises `PlanError` with every problem of form, among them unknown columns where the `data:` section can be read.
    """
    document = read_document(path)
    if overrides:
        _refuse_overrides(overrides)
        section = document.value.get("run")
        document.value["run"] = {**(section if isinstance(section, dict) else {}), **overrides}
    return parse_plan(document, path)


def _refuse_overrides(overrides: Mapping[str, Any]) -> None:
    """What the command line says is wrong on the command line, not on a line of the plan."""
    try:
        RunSpec.model_validate(overrides)
    except ValidationError as error:
        raise PlanError(
            [Problem(f"--{item['loc'][0]} {item['input']}", "is not understood") for item in error.errors()]
        ) from None


def parse_plan(document: Document, source: Path | None) -> LoadedPlan:
    """Check the form of a parsed plan."""
    base = (source.parent if source else Path()).resolve()
    problems = list(document.problems)
    if document.value.get("gates", "") in ([], None) and "gates" in document.value:
        problems.append(_at(document, ("gates",), "is empty; list what must hold, or write `gates: none`"))
    try:
        plan = Plan.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        known = {problem.where for problem in problems}
        problems += [p for p in _translate(error, document) if p.where not in known]
        known = {problem.where for problem in problems}
        problems += [p for p in _further_problems(document, base) if p.where not in known]
    if problems:
        raise PlanError(problems, str(source or "plan"))
    digest = digest_of(plan.model_dump(mode="json"))
    return LoadedPlan(_absolute(plan, base), plan, document, source, digest)


def _absolute(plan: Plan, base: Path) -> Plan:
    return plan.model_copy(update={"model": plan.model.beside(base), "data": plan.data.beside(base)})


def _further_problems(document: Document, base: Path) -> list[Problem]:
    """What is wrong besides the form, as far as the rest can be understood, so that one message holds it all."""
    try:
        looked = look_over(Parts.salvaged(document.value, base))
    except AuditkitError:
        return []  # data that can't be read is told of once the plan is right
    return [replace(p, line=document.line(undotted(p.where))) for p in looked.problems]


def _at(document: Document, location: Location, message: str) -> Problem:
    return Problem(dotted(location), message, document.line(location))


def _translate(error: ValidationError, document: Document) -> list[Problem]:
    """Pydantic's errors as problems; where a value could be several things, only the branch that was meant."""
    found: dict[Location, list[tuple[int, str]]] = {}
    for item in error.errors(include_url=False):
        location = _real_location(item["loc"], document.value, item["type"])
        found.setdefault(location, []).append((len(item["loc"]), _message(item, location, document)))
    problems = []
    for location, messages in found.items():
        deeper = any(other[: len(location)] == location and len(other) > len(location) for other in found)
        if deeper and document_has(document.value, location):
            continue
        problems.append(_at(document, location, min(messages)[1]))
    return problems


def document_has(value: Any, location: Location) -> bool:
    """Whether the document has something at that place."""
    for part in location:
        in_keys = isinstance(value, dict) and part in value
        in_items = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not in_keys and not in_items:
            return False
        value = value[part]
    return True


def _real_location(loc: tuple[int | str, ...], value: Any, kind: str) -> Location:
    """Pydantic's location without the names of the union branches that it tried."""
    real: list[int | str] = []
    for position, part in enumerate(loc):
        if document_has(value, (*real, part)) or (kind == "missing" and position == len(loc) - 1):
            real.append(part)
    return tuple(real)


def _message(item: Any, location: Location, document: Document) -> str:
    kind, given = item["type"], item["input"]
    if kind == "extra_forbidden":
        return f"unknown key{nearest(str(location[-1]), _fields_at(location[:-1]))}"
    if location == ("gates",) and kind == "literal_error":
        return f"expected a list of gates, or the word `none`, found {_short(given)}"
    if location == ("model", "kind") and given in _LATER:
        known = "torch, sklearn, python and predictions"
        return f"this version can't audit {given!r} models from a plan; it can audit {known}"
    if kind in ("literal_error", "enum"):
        return f"expected {item['ctx']['expected']}, found {_short(given)}"
    if kind == "value_error":
        return str(item["ctx"]["error"])
    if kind in ("float_type", "int_type") and isinstance(given, str) and given.rstrip().endswith("%"):
        share = given.rstrip().rstrip("%").strip()
        hint = f"; write {float(share) / 100:g}" if share.replace(".", "", 1).isdecimal() else ""
        return f"expected a number, found {_short(given)}{hint}"
    if kind == "missing":
        return f"{_WORDS[kind]}{nearest(str(location[-1]), _keys_at(document.value, location[:-1]))}"
    words = _WORDS.get(kind, item["msg"][:1].lower() + item["msg"][1:])
    shown = "" if kind in ("too_short", "string_too_short") else f", found {_short(given)}"
    return f"{words}{shown}"


def _keys_at(value: Any, location: Location) -> list[str]:
    for part in location:
        value = value[part]
    return list(value) if isinstance(value, dict) else []


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fields_at(location: Location) -> list[str]:
    """The keys that the schema knows at a place."""
    models: list[type[BaseModel]] = [Plan]
    for part in location:
        if isinstance(part, int):
            continue
        annotations = [m.model_fields[_field(m, part)].annotation for m in models if _field(m, part)]
        models = [found for annotation in annotations for found in _models_in(annotation)] or models
    return [info.alias or name for model in models for name, info in model.model_fields.items()]


def _field(model: type[BaseModel], key: str) -> str:
    return next((n for n, info in model.model_fields.items() if key in (n, info.alias)), "")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (typing.Union, UnionType, tuple, list, dict, typing.Annotated):
        return [m for argument in get_args(annotation) for m in _models_in(argument)]
    return []

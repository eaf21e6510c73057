"""Plan text to plain values, with the line of every key. Refuses what YAML offers and a plan never needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from auditkit.core.errors import InputRefusedError, PlanError, Problem

Location: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_DIGITS = 300
_TAG = "tag:yaml.org,2002:"
_PLAIN = {"str", "timestamp"}


@dataclass
class Document:
    """A parsed file: its value, and the 1-based line on which each key or item stands."""

    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    #: Of the file's bytes; None where the text came from elsewhere.
    sha256: str | None = None

    def line(self, location: Location) -> int | None:
        """The line of that key, or of the nearest enclosing one."""
        for end in range(len(location), -1, -1):
            if location[:end] in self.lines:
                return self.lines[location[:end]]
        return None


def dotted(location: Location) -> str:
    """`("gates", 2, "by")` as `gates[2].by`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def undotted(where: str) -> Location:
    """`gates[2].by` as `("gates", 2, "by")`."""
    parts: list[str | int] = []
    for piece in where.split("."):
        name, *indices = piece.split("[")
        if name:
            parts.append(name)
        for index in indices:
            digits = index.rstrip("]")
            parts.append(int(digits) if digits.isdecimal() and len(digits) < 10 else digits)
    return tuple(parts)


def read_document(path: Path) -> Document:
    """Read a YAML 1.2 file. Raises `PlanError` where it is no YAML, `InputRefusedError` where it can't be read."""
    try:
        if not path.is_file():
            found = "is a directory" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
            raise PlanError(f"{path}: {found}; name the plan's YAML file")
        if path.stat().st_size > MAX_BYTES:
            raise PlanError(f"{path}: is larger than {MAX_BYTES:,} bytes; a plan is a short text")
        raw = path.read_bytes()
    except OSError as error:
        raise InputRefusedError(f"{path}: can't be read: {error.strerror}") from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PlanError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    document = parse_document(text, str(path))
    document.sha256 = hashlib.sha256(raw).hexdigest()
    return document


def parse_document(text: str, source: str = "plan") -> Document:
    """Parse YAML 1.2 text."""
    try:
        _refuse_aliases(text, source)
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else None
        raise PlanError(Problem("", f"is not valid YAML: {error.problem}", line), source) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise PlanError(Problem("", f"is not valid YAML: {str(error).splitlines()[0]}"), source) from None
    document = Document()
    if node is None:
        raise PlanError("the plan is empty; `auditkit demo` writes one to start from", source)
    document.value = _convert(node, (), document)
    if not isinstance(document.value, dict):
        raise PlanError(f"expected keys such as `name:` and `model:`, found a {type(document.value).__name__}", source)
    return document


def _refuse_aliases(text: str, source: str) -> None:
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, AliasEvent):
            line = event.start_mark.line + 1
            raise PlanError(
                Problem("", f"aliases (*{event.anchor}) are not allowed; write the value out", line), source
            )
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > MAX_DEPTH:
            raise PlanError(Problem("", "is nested too deeply", event.start_mark.line + 1), source)


def _convert(node: Node, location: Location, document: Document) -> Any:
    document.lines.setdefault(location, node.start_mark.line + 1)
    if not isinstance(node, ScalarNode) and str(node.tag) not in (f"{_TAG}map", f"{_TAG}seq"):
        line = node.start_mark.line + 1
        document.problems.append(Problem(dotted(location), f"the YAML tag {node.tag} is not allowed", line))
    if isinstance(node, MappingNode):
        return _mapping(node, location, document)
    if isinstance(node, SequenceNode):
        return [_convert(item, (*location, index), document) for index, item in enumerate(node.value)]
    assert isinstance(node, ScalarNode)
    return _scalar(node, location, document)


def _mapping(node: MappingNode, location: Location, document: Document) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode) or key_node.tag == f"{_TAG}merge":
            document.problems.append(Problem(dotted(location), "keys must be plain names", line))
            continue
        key = _key_text(key_node)
        where = (*location, key)
        if key in result:
            first = document.lines[where]
            document.problems.append(Problem(dotted(where), f"is given twice (first on line {first})", line))
            continue
        document.lines[where] = line
        result[key] = _convert(value_node, where, document)
    return result


def _key_text(node: ScalarNode) -> str:
    return str(node.value).lower() if node.tag == f"{_TAG}bool" else str(node.value)


def _scalar(node: ScalarNode, location: Location, document: Document) -> Any:
    kind = str(node.tag).removeprefix(_TAG)
    text = str(node.value)
    line = node.start_mark.line + 1
    if kind in _READ:
        try:
            return _READ[kind](text)
        except ValueError:
            # Only a tag that is written out (`!!int x`) or thousands of digits come here.
            shown = text if len(text) <= 60 else text[:57] + "..."
            document.problems.append(Problem(dotted(location), f"{shown!r} is no {_NAMES[kind]}", line))
            return text
    if kind not in _PLAIN:
        document.problems.append(Problem(dotted(location), f"the YAML tag {node.tag} is not allowed", line))
    return text


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    if len(digits) > MAX_DIGITS:
        raise ValueError("too many digits")
    return int(digits, 0) if digits.lower().startswith(("0o", "0x", "+0x", "-0x")) else int(digits)


def _number(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("neither")
    return text.lower() == "true"


def _nothing(text: str) -> None:
    if text.lower() not in ("", "~", "null"):
        raise ValueError("something")


_READ: dict[str, Callable[[str], Any]] = {"null": _nothing, "bool": _truth, "int": _integer, "float": _number}
_NAMES = {"null": "null", "bool": "true or false", "int": "whole number that can be read", "float": "number"}

"""The command that makes the same audit again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from auditkit.core.audit import Audit
from auditkit.core.types import INTERSECTION
from auditkit.report.messages import text
from auditkit.report.text import line
from auditkit.report.trusted import granted

_GATED = ("performance.summary", "bias.groups")
_MODEL = frozenset({"kind", "prediction", "score", "threshold"})
_DATA = frozenset({"splits", "target", "positive", "sensitive", "weight", "cluster", "id", "bands", "attributes"})
_GATE = frozenset({"check", "metric", "by", "max", "min"})
_WORDS = ("positive", "weight", "cluster", "id")
#: No bound or edge is as large; a larger whole number can't be written as a float.
_LARGE = 1e300


def is_gate_run(audit: Audit) -> bool:
    """Whether `auditkit gate` made this audit, or could have: predictions, two checks, and bounds that it takes."""
    model, data = (_given(audit.plan.get(part)) for part in ("model", "data"))
    gates, checks = audit.plan.get("gates"), _given(audit.plan.get("checks"))
    alone = model.get("kind") == "predictions" and set(model) <= _MODEL and set(data) <= _DATA
    split = set(_given(data.get("splits"))) == {"test"} and _well_formed(model, data)
    off = all(setting in ("off", False) for setting in checks.values()) and not set(_GATED) & set(checks)
    sayable = isinstance(gates, list | tuple) and bool(gates) and all(map(_sayable, gates))
    return alone and split and off and sayable and "prediction" in model and not audit.context


def _well_formed(model: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Whether the two sections have the types that a plan gives them: `audit.json` may be anybody's."""
    words = [model.get("prediction"), model.get("score"), *(data.get(name) for name in ("target", *_WORDS))]
    rules = data.get("bands", {})
    return (
        "target" in data
        and all(word is None or isinstance(word, str) for word in words)
        and _all_text(data.get("sensitive", ()))
        and isinstance(data.get("attributes", {}), Mapping)
        and isinstance(rules, Mapping)
        and all(
            isinstance(r, str | int) or (isinstance(r, list | tuple) and all(map(_number, r))) for r in rules.values()
        )
    )


def _all_text(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGE


def _sayable(gate: Any) -> bool:
    if not isinstance(gate, Mapping) or {key for key, value in gate.items() if value is not None} - _GATE:
        return False
    by, bounds = gate.get("by"), [gate[side] for side in ("max", "min") if gate.get(side) is not None]
    named = gate.get("check") in _GATED and isinstance(gate.get("metric"), str)
    return named and all(map(_number, bounds)) and (by is None or (bool(by) and (isinstance(by, str) or _all_text(by))))


def _given(section: Any) -> dict[str, Any]:
    """The keys of a section that say something."""
    return {k: v for k, v in section.items() if v not in (None, [], {}, ())} if isinstance(section, Mapping) else {}


def _rule(rule: Any) -> str:
    """How a column is cut, as `--band` takes it: a single edge has a comma, so that it is no number of bands."""
    if not isinstance(rule, list | tuple):
        return str(rule)
    return ",".join(f"{edge:.17g}" for edge in rule) + ("," if len(rule) == 1 else "")


def command(audit: Audit) -> str:
    """The command line, ready to copy."""
    if not is_gate_run(audit):
        return text("reproduce.run", seed=audit.environment.seed, flags=granted(audit))
    model, data = audit.plan["model"], _given(audit.plan["data"])
    second = _given(data.get("attributes"))
    words = ["auditkit", "gate", str(data["splits"]["test"]), "--target", str(data["target"])]
    for option, value in (
        ("prediction", model.get("prediction")),
        ("score", model.get("score")),
        *((name, data.get(name)) for name in _WORDS),
        ("attributes", second.get("path")),
        ("attributes-id", second.get("id")),
        *(("sensitive", column) for column in data.get("sensitive", ())),
        *(("band", f"{column}={_rule(rule)}") for column, rule in data.get("bands", {}).items()),
    ):
        words += [] if value is None else [f"--{option}", str(value)]
    for gate in audit.plan["gates"]:
        by = gate.get("by") or ()
        at = "@" + (by if isinstance(by, str) else INTERSECTION.join(by)) if by else ""
        for side in ("max", "min"):
            words += [] if gate.get(side) is None else [f"--{side}", f"{gate['metric']}{at}={gate[side]:.10g}"]
    return line(shlex.join(words), 4_000)

"""The command that makes the same audit again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from auditkit.core.audit import Audit
from auditkit.core.types import INTERSECTION
from auditkit.report.messages import text
from auditkit.report.text import line

_GATED = ("performance.summary", "bias.groups")
_MODEL = frozenset({"kind", "prediction", "score", "threshold"})
_DATA = frozenset({"splits", "target", "positive", "sensitive", "weight", "cluster", "id", "bands", "attributes"})
_GATE = frozenset({"check", "metric", "by", "max", "min"})


def is_gate_run(audit: Audit) -> bool:
    """Whether `auditkit gate` made this audit, or could have: predictions, two checks, and bounds that it takes."""
    model, data = (_given(audit.plan.get(part)) for part in ("model", "data"))
    gates, checks = audit.plan.get("gates"), _given(audit.plan.get("checks"))
    alone = model.get("kind") == "predictions" and set(model) <= _MODEL and set(data) <= _DATA
    split = set(_given(data.get("splits"))) == {"test"}
    off = all(setting in ("off", False) for setting in checks.values()) and not set(_GATED) & set(checks)
    sayable = isinstance(gates, list | tuple) and bool(gates) and all(map(_sayable, gates))
    return alone and split and off and sayable and "prediction" in model and not audit.context


def _sayable(gate: Any) -> bool:
    given = {key for key, value in gate.items() if value is not None} if isinstance(gate, Mapping) else {""}
    return given <= _GATE and gate["check"] in _GATED and gate.get("by") not in ([], ())


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
        return text("reproduce.run", seed=audit.environment.seed)
    model, data = audit.plan["model"], _given(audit.plan["data"])
    second = _given(data.get("attributes"))
    words = ["auditkit", "gate", str(data["splits"]["test"]), "--target", str(data["target"])]
    for option, value in (
        ("prediction", model.get("prediction")),
        ("score", model.get("score")),
        *((name, data.get(name)) for name in ("positive", "weight", "cluster", "id")),
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

"""The plan as YAML text, for a reader who wants to run the audit again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from auditkit.report.text import clean

MOST_CHARACTERS = 20_000
#: Words that stay strings without quotes; YAML reads everything else that looks like this as something else.
_PLAIN = re.compile(r"[A-Za-z_./][\w./ ×-]*\Z")
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "none", "y", "n", "nan", "inf"})


def plan_text(plan: Mapping[str, Any]) -> str:
    """YAML of the plan, without the keys that say nothing (null). Cut after `MOST_CHARACTERS`."""
    return clean("\n".join(_mapping(plan, 0)), MOST_CHARACTERS)


def _mapping(mapping: Mapping[str, Any], depth: int) -> Iterator[str]:
    for key, value in mapping.items():
        if value is None:
            continue
        yield from _entry(f"{'  ' * depth}{_scalar(str(key))}:", value, depth)


def _entry(head: str, value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        flow = _flow(value)
        if depth and len(head) + len(flow) < 100 and not any(isinstance(v, Mapping) for v in value.values()):
            yield f"{head} {flow}"
        else:
            yield head
            yield from _mapping(value, depth + 1)
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        yield head
        for item in value:
            yield f"{'  ' * (depth + 1)}- {_flow(item)}"
    else:
        yield f"{head} {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_scalar(str(k))}: {_flow(v)}' for k, v in value.items() if v is not None)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_flow(item) for item in value)}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        plain = _PLAIN.match(value) and value.lower() not in _RESERVED and value == value.strip()
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, default=str)

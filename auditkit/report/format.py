"""What a format of the report is: a file name, and a function from an audit to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from auditkit.core.audit import Audit

#: Check id to the sections of its page, as `core.check.page` gives them.
Pages: TypeAlias = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Format:
    """One format. `render` is pure: the same audit gives the same text."""

    filename: str
    render: Callable[[Audit, Pages], str]

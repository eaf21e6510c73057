"""The demos, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from auditkit.core.registry import Registry

#: Each writes its data and plan into a directory and returns the path of the plan.
DEMOS: Registry[Callable[[Path], Path]] = Registry("demo", {"census": "auditkit.demos.census:write_demo"})

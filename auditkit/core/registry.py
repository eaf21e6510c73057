"""A lazy registry: built-in parts by `module:attribute`, parts of other packages by entry point, all on equal terms."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from auditkit.core.errors import PlanError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to objects, imported when first asked for."""

    def __init__(self, what: str, builtin: Mapping[str, str], group: str | None = None) -> None:
        """`what` is the noun of messages ("check"); `group` is the entry-point group that adds to `builtin`."""
        self.what = what
        self._builtin = dict(builtin)
        self._group = group
        self._paths: dict[str, str] | None = None
        self._loaded: dict[str, T] = {}

    def _targets(self) -> dict[str, str]:
        if self._paths is None:
            found = {} if self._group is None else {e.name: e.value for e in entry_points(group=self._group)}
            clash = sorted(set(found) & set(self._builtin))
            if clash:
                raise PlanError(f"an installed package re-defines the built-in {self.what} {clash[0]!r}; uninstall it")
            self._paths = {**self._builtin, **dict(sorted(found.items()))}
        return self._paths

    def names(self) -> tuple[str, ...]:
        """Every name, built-in ones first, in their declared order."""
        return tuple(self._targets())

    def get(self, name: str) -> T:
        """The object of that name. Raises `PlanError` that names the nearest known one."""
        targets = self._targets()
        if name not in targets:
            raise PlanError(f"no {self.what} {name!r}{nearest(name, targets)}")
        if name not in self._loaded:
            module, _, attribute = targets[name].partition(":")
            self._loaded[name] = getattr(importlib.import_module(module), attribute)
        return self._loaded[name]

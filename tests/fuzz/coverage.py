"""Which steps of the code under test an input takes: pairs of lines, seen by `sys.settrace` in a few modules alone."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

#: A piece of code, the line before, and the line.
Step = tuple[CodeType, int, int]


class Steps:
    """Collects the steps that are taken in `modules` (names of modules or packages) while `watching`."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._prefixes = tuple(_place(name) for name in modules)
        self._wanted: dict[CodeType, bool] = {}
        self.taken: set[Step] = set()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Start with no step taken."""
        self.taken = set()
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        wanted = self._wanted.get(code)
        if wanted is None:
            wanted = self._wanted[code] = code.co_filename.startswith(self._prefixes)
        if not wanted:
            return None
        last, taken = 0, self.taken

        def local(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            if event == "line":
                taken.add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return local

        return local


def _place(name: str) -> str:
    """The file of a module, or the folder of a package."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ValueError(f"no module {name}")
    origin = Path(found.origin)
    return str(origin.parent) + "/" if origin.name == "__init__.py" else str(origin)

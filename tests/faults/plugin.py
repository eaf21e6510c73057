"""Collects what the tests of faults recorded, over all processes of a session, and says where the table lies."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.faults.records import VARIABLE, markdown, read_records

_OURS = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Name the file that all processes add to: those of pytest-xdist inherit the environment of this one."""
    if VARIABLE not in os.environ:
        descriptor, name = tempfile.mkstemp(prefix="auditkit-faults-", suffix=".jsonl")
        os.close(descriptor)
        os.environ[VARIABLE] = name
        config.stash[_OURS] = Path(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the table where it does not come into the sources, and say where."""
    path = config.stash.get(_OURS, None)
    if path is None or not (records := read_records(path)):
        return
    table = path.with_suffix(".md")
    table.write_text(markdown(records), encoding="utf-8")
    terminalreporter.write_line(f"{len(records):,} faults tried and survived: {table}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forget the lines; the table stays."""
    path = config.stash.get(_OURS, None)
    if path is not None:
        path.unlink(missing_ok=True)
        os.environ.pop(VARIABLE, None)

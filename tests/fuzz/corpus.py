"""Inputs that are kept: a few small ones of each target, each there because it takes a step that no other takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from tests.fuzz.coverage import Step, Steps
from tests.fuzz.target import Crash, Target, attempt, name_of

HERE = Path(__file__).parent / "corpus"
#: So many files of so many bytes are kept of each target.
FILES = 10
LARGEST = 3_000


def kept(target: Target) -> list[bytes]:
    """The inputs of a target that are kept in the repository, in the order of their names."""
    folder = HERE / target.name
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def inputs_in(folder: Path) -> list[bytes]:
    """Every file below a folder of inputs, smallest first."""
    paths = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    return [path.read_bytes() for path in paths]


def keep(folder: Path, data: bytes) -> Path:
    """Write an input under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name_of(data)
    path.write_bytes(data)
    return path


def distil(target: Target, found: Iterable[bytes], scratch: Path) -> list[bytes]:
    """The fewest small inputs that take the steps which the seeds don't: the greedy cover, largest gain first."""
    steps = Steps(target.traced)
    seen: set[Step] = set()
    for seed in target.seeds():
        seen |= _steps_of(steps, target, seed, scratch)
    candidates = {
        data: _steps_of(steps, target, data, scratch) for data in dict.fromkeys(found) if len(data) <= LARGEST
    }
    chosen: list[bytes] = []
    while candidates and len(chosen) < FILES:
        best = max(candidates, key=lambda data: (len(candidates[data] - seen), -len(data)))
        if not candidates[best] - seen:
            break
        seen |= candidates.pop(best)
        chosen.append(best)
    return chosen


def _steps_of(steps: Steps, target: Target, data: bytes, scratch: Path) -> set[Step]:
    with steps.watching(), contextlib.suppress(Crash):
        attempt(target, data, scratch)
    return steps.taken


def replace_kept(target: Target, inputs: Iterable[bytes]) -> None:
    """Keep exactly these inputs of a target."""
    folder = HERE / target.name
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
    for data in inputs:
        keep(folder, data)

"""The ordinary engine: mutations by structure and by bytes, led by the steps that an input takes. No dependency."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.coverage import Step, Steps
from tests.fuzz.mutators import mutate_bytes
from tests.fuzz.target import Crash, Target, attempt, name_of


@dataclass
class Found:
    """What a search came upon. `crashes` by what they say in their last line: one input stands for all alike."""

    executions: int = 0
    accepted: int = 0
    seconds: float = 0.0
    inputs: list[bytes] = field(default_factory=list)
    steps: set[Step] = field(default_factory=set)
    crashes: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def crashed(self, data: bytes, crash: Crash) -> bool:
        """Note a crash; whether it is one of a new kind."""
        kind = kind_of(crash)
        new = kind not in self.crashes
        if new or len(data) < len(self.crashes[kind][0]):
            self.crashes[kind] = (data, str(crash))
        return new


def kind_of(crash: Crash) -> str:
    """What two crashes with one cause have in common: the error, and where in the project it was raised."""
    lines = str(crash).splitlines()
    places = [line.strip() for line in lines if line.strip().startswith("File") and "auditkit" in line]
    return f"{lines[0].partition(':')[0][:60]} {places[-1] if places else ''}"


def search(
    target: Target,
    inputs: Sequence[bytes],
    scratch: Path,
    *,
    seed: int = 0,
    seconds: float | None = None,
    executions: int | None = None,
    before: Callable[[bytes], object] = lambda data: None,
) -> Found:
    """Try `inputs`, then mutations of whatever took a new step, until the processor time or the executions are used up.

    `before` is told each input before it is tried (for a process that may not live to tell).
    """
    rng, steps, found = Random(seed), Steps(target.traced), Found()
    start = time.process_time()
    waiting = list(inputs)
    while True:
        found.seconds = time.process_time() - start
        fresh = bool(waiting)
        if not fresh and (
            (seconds is not None and found.seconds >= seconds)
            or (executions is not None and found.executions >= executions)
        ):
            return found
        data = waiting.pop() if fresh else _mutated(target, found.inputs or list(inputs), rng)
        before(data)
        found.executions += 1
        try:
            with steps.watching():
                found.accepted += attempt(target, data, scratch) == "accepted"
        except Crash as crash:
            found.crashed(data, crash)
        if steps.taken - found.steps:
            found.steps |= steps.taken
            found.inputs.append(data)


def _mutated(target: Target, inputs: Sequence[bytes], rng: Random) -> bytes:
    """A mutation of one of the inputs, late ones more often; now and then of two put together."""
    position = max(rng.randrange(len(inputs)), rng.randrange(len(inputs)))
    data = inputs[position]
    if rng.random() < 0.05:
        other = rng.choice(inputs)
        data = data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]
    structured = target.mutate is not None and rng.random() < 0.7
    mutate = target.mutate if structured and target.mutate is not None else mutate_bytes
    return mutate(data, rng, target.tokens)


def label(data: bytes) -> str:
    """A name for messages."""
    return f"{name_of(data)[:12]} ({len(data):,} bytes)"

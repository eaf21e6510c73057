"""What an audit is given before it starts: a checked plan, open data, chosen checks, and who remembers what is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from auditkit.core.check import Check
from auditkit.core.errors import PlanError
from auditkit.core.finding import Finding
from auditkit.core.model import Model, OutputKind
from auditkit.core.progress import Progress
from auditkit.data.dataset import Dataset
from auditkit.models.trust import NOBODY, Trust
from auditkit.pipeline.plan import Plan
from auditkit.probes.store import MemoryStore, Store


class Keeper(Protocol):
    """Remembers what a run has finished, so that a resumed one repeats nothing."""

    def record(self, event: str, **fields: Any) -> None:
        """Write one line of the journal."""

    def findings(self, check: str, key: str) -> list[Finding] | None:
        """The findings of a check that was finished before on the same evidence."""

    def keep(self, check: str, key: str, findings: Sequence[Finding]) -> None:
        """Keep the findings of a check."""


class ForgetfulKeeper:
    """Keeps nothing: audits that live in memory."""

    def record(self, event: str, **fields: Any) -> None:
        """See `Keeper`."""

    def findings(self, check: str, key: str) -> list[Finding] | None:
        """See `Keeper`."""
        return None

    def keep(self, check: str, key: str, findings: Sequence[Finding]) -> None:
        """See `Keeper`."""


@dataclass
class Prepared:
    """Everything that an audit needs, checked."""

    plan: Plan
    #: The plan as it was written, with relative paths: what the result shows.
    stated: Plan
    #: The digest of the plan, for the journal.
    digest: str
    dataset: Dataset
    checks: list[Check]
    open_model: Callable[[], Model] | None
    progress: Progress
    store: Store = field(default_factory=MemoryStore)
    keeper: Keeper = field(default_factory=ForgetfulKeeper)
    source: str = "plan"
    #: SHA-256 of the plan's file as it was read; None where the plan was no file.
    plan_sha256: str | None = None
    #: What the command line granted; the model is opened with it.
    trust: Trust = NOBODY
    allow_inconclusive: bool = False
    outputs: OutputKind | None = None
    locate: Callable[[PlanError], PlanError] = lambda error: error


@dataclass
class Clock:
    """Where the time went, by stage."""

    stages: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of this block to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - began

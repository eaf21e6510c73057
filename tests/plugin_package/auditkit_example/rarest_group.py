"""`example.rarest_group`: the share of the rarest group of each sensitive column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import percent
from auditkit.core.task import Offer, RowStatistic, Task
from auditkit.core.types import Better, Status
from auditkit.measures.rates import estimate


class RarestGroup(Check):
    """How small the smallest group of each sensitive column is.

    Measures:
    The share of rows that the rarest group has, as `rarest_group_share`.

    How:
    A proportion with its Wilson interval.

    Assumptions:
    The rows of the split are a sample of the people whom the model will meet.

    Reading:
    Nothing can be said about a group that hardly occurs.

    Source:
    An example of how to write a check.
    """

    id: ClassVar[str] = "example.rarest_group"
    title: ClassVar[str] = "Rarest group"
    needs: ClassVar[tuple[str, ...]] = ("rows",)
    messages: ClassVar[dict[str, str]] = {
        "title": "The rarest group of {column} is {group}, with {share} of the rows",
        "undefined": "the split has no rows",
        "none": "the plan names no sensitive column",
    }

    floor: float = Field(default=0.01, ge=0, le=1, description="warn where the share is certainly below it")

    def offers(self, task: Task) -> Sequence[Offer]:
        """The one metric that a gate may name."""
        return [Offer("rarest_group_share", by=True, better=Better.HIGHER)]

    def run(self, evidence: Evidence) -> list[Finding]:
        """One finding a sensitive column."""
        if not evidence.data.sensitive:
            return [self.skipped(self.say("none"))]
        return [self._column(evidence, column) for column in evidence.data.sensitive]

    def _column(self, evidence: Evidence, column: str) -> Finding:
        outcomes = evidence.outcomes("test")
        groups = evidence.groups("test", column)
        scope = Scope(split="test", attribute=column)
        if not len(outcomes):
            missing = Estimate.undefined(self.say("undefined"))
            return self.finding("rarest_group_share", scope, missing, title=self.title, better=Better.HIGHER)
        rarest = int(np.argmin(groups.sizes()))
        here = (groups.codes == rarest).astype(np.float64)
        statistic = RowStatistic(
            "rarest_group_share", "proportion", here, np.ones(len(here), dtype=np.bool_), Better.HIGHER, "rows"
        )
        share = estimate(statistic, outcomes.design, evidence.confidence)
        low = share.high is not None and share.high < self.floor
        return self.finding(
            "rarest_group_share",
            scope,
            share,
            title=self.say("title", column=column, group=groups.labels[rarest], share=percent(share.value or 0.0)),
            status=Status.WARN if low else Status.INFO,
            better=Better.HIGHER,
        )

"""The table of checks: one line a check. Checks of other packages join it by the entry point `auditkit.checks`."""

from __future__ import annotations

from auditkit.core.check import Check
from auditkit.core.registry import Registry

CHECKS: Registry[type[Check]] = Registry(
    "check",
    {
        "performance.summary": "auditkit.checks.performance.summary:PerformanceSummary",
        "generalization.gap": "auditkit.checks.generalization.gap:GeneralizationGap",
        "overfitting.gap": "auditkit.checks.overfitting.gap:OverfittingGap",
        "bias.groups": "auditkit.checks.bias.groups:BiasGroups",
        "bias.intersections": "auditkit.checks.bias.intersections:BiasIntersections",
        "bias.data": "auditkit.checks.bias.data:BiasData",
        "calibration.reliability": "auditkit.checks.calibration.reliability:CalibrationReliability",
        "explainability.attribution": "auditkit.checks.explainability.attribution:ExplainabilityAttribution",
        "data.integrity": "auditkit.checks.data.integrity:DataIntegrity",
        "data.leakage": "auditkit.checks.data.leakage:DataLeakage",
    },
    group="auditkit.checks",
)

#: Every family of checks, with the question it answers. A family may have no check yet: the report then says that
#: nothing of it was tested.
FAMILIES: dict[str, str] = {
    "performance": "How well does the model do, and better than what costs nothing?",
    "generalization": "Does what was learnt hold on rows that training never saw?",
    "overfitting": "Does the model remember its training rows rather than learn from them?",
    "bias": "Are groups of people treated alike, and who fares worst?",
    "calibration": "Can the scores be taken as probabilities, for every group?",
    "explainability": "What do the answers rest on, and do the explanations stand up to a test?",
    "data": "Can the data carry an audit: missing values, copies, contradictions, leaks?",
    "robustness": "Do the answers hold when inputs are changed a little, by accident or on purpose?",
    "privacy": "Does the model give away who was in its training data?",
    "complexity": "What does an answer cost in parameters, memory and time?",
    "training": "Was training healthy: did it converge, did gradients vanish or explode?",
    "modalities": "Are there defects that only one kind of input has: images, audio, text, time series?",
}

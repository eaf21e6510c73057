"""`explainability.attribution`: what the answers rest on, and whether that explanation stands up to a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from auditkit.checks.explainability.deletion import ORDERS, Deletion, deletion
from auditkit.checks.explainability.importance import Attributed, Importance, Permuted, attributed, permuted
from auditkit.checks.reading import rows_of, splits_in
from auditkit.checks.texts import count, name_of, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.evidence import Evidence
from auditkit.core.figure import Axis, Figure, Point, Series
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number, percent
from auditkit.core.task import Offer, Task
from auditkit.core.types import Better, Status

_MOST_DRAWN = 20
_SIZE, _SIGNED = "attribution_mean_absolute", "attribution_mean"
_PERMUTED = "permutation_importance"
_COMPLETENESS, _WORST = "completeness_error", "completeness_error_max"
_GAIN = "deletion_gain_over_random"


class ExplainabilityAttribution(Check):
    """What the answers rest on: the importance of each input, and a test of whether that explanation can be believed.

    Measures:
    `attribution_mean_absolute` and `attribution_mean` of each input (integrated gradients of the predicted class's
    output); `permutation_importance` of each input (how much worse the model does when that input is another row's);
    `completeness_error` and `completeness_error_max` (how far attributions are from adding up);
    `deletion_gain_over_random` (whether the explanation beats a random one).

    How:
    Means over a random sample of rows, with intervals over the rows. Completeness: |Σ attributions - change of the
    output| / Σ |attributions| of a row. Deletion: inputs are replaced one after another by those of another row, most
    important first or at random; the gain is the area between the two curves of the response, above 0 where the
    explanation's order destroys the answer faster. The check warns where the lower end of the gain is not above 0.

    Assumptions:
    Attributions depend on their baseline. Replacing inputs makes rows that may never occur where inputs hang together,
    so that importance can fall on an input that stands in for another.

    Reading:
    Read the deletion test first. Where it doesn't beat random order, the importances are not supported by evidence.
    An importance says what this model uses, not what causes the outcome.

    Source:
    Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, ICML (section 5: errors of up to 5% are
    usual). Breiman (2001), Random forests; Fisher, Rudin and Dominici (2019), JMLR 20(177). Samek et al. (2017), IEEE
    TNNLS 28(11), and Petsiuk et al. (2018), BMVC, for deletion.
    """

    id: ClassVar[str] = "explainability.attribution"
    title: ClassVar[str] = "Attributions and their test"
    uses: ClassVar[tuple[str, ...]] = ("attributions", "permutations", "deletion")
    messages: ClassVar[dict[str, str]] = {
        "nothing": "no attributions ({attributions}); no permutation importance ({permutations})",
        "size": "Attribution to '{feature}' on {split}: {value} on average, sign left aside",
        "signed": "Attribution to '{feature}' on {split}: {value} on average, with its sign",
        "size_why": "How far this input moves the output of the predicted class.",
        "size_how": "By {method}, from {baseline}.",
        "signed_why": "Above 0 the input speaks for the predicted class on average, below 0 against it.",
        "permuted": "Importance of '{feature}' on {split}: {value} more {unit} when it is another row's",
        "permuted_drop": "Importance of '{feature}' on {split}: {value} less {unit} when it is another row's",
        "permuted_why": "How much worse the model does without what this input says.",
        "permuted_none": "These rows don't show that the model uses this input.",
        "tested": "The deletion test supports these importances.",
        "untested": "The deletion test doesn't support these importances: treat them as unproven.",
        "complete": "Attributions on {split} miss the change of the output by {value} on average",
        "complete_max": "Attributions on {split} miss the change of the output by at most {value}",
        "complete_why": "Median {median}, largest {largest}, relative to the sum of the attributions of a row.",
        "complete_bad": "That is certainly more than {tolerance}: the attributions don't add up to what they explain.",
        "complete_remedy": "Take more steps on the path of integration.",
        "gain": "Explanations on {split} against random order: {value} of the response destroyed beyond random",
        "gain_yes": "Replacing inputs in the order of the explanation destroys answers faster than a random order, "
        "over {rows}; chance doesn't explain it.",
        "gain_no": "The explanation is not supported by evidence: over {rows}, replacing inputs in its order is not "
        "shown to destroy answers faster than a random order.",
        "gain_remedy": "Don't show these importances to anyone as reasons; try another method or baseline, or more "
        "rows.",
        "gain_affected": "whoever is told that these inputs are the reasons",
        "bars": "{what} on {split}",
        "bars_alt": "{what} on {split}, most important first: {values}.",
        "curves": "Response left when inputs are replaced, on {split}",
        "curves_alt": "Mean response against the share of inputs replaced. In the order of the explanation: {ours}. In "
        "random order: {random}.",
    }

    #: Largest completeness error that passes without a warning.
    completeness_tolerance: float = Field(default=0.05, ge=0, allow_inf_nan=False)

    def offers(self, task: Task) -> Sequence[Offer]:
        """Importances by input, the completeness error, and the gain over a random order."""
        lower = [Offer(name, better=Better.LOWER, low=0.0) for name in (_COMPLETENESS, _WORST)]
        return [Offer(_SIZE, low=0.0), Offer(_SIGNED), Offer(_PERMUTED), *lower, Offer(_GAIN, better=Better.HIGHER)]

    def run(self, evidence: Evidence) -> list[Finding]:
        """The deletion test first, as the rest depends on it; then attributions and permutations."""
        has = {name: evidence.has(name) and len(evidence.table(name)) > 0 for name in self.uses}
        if not has["attributions"] and not has["permutations"]:
            why = {name: evidence.absent.get(name, "not collected") for name in ("attributions", "permutations")}
            return [self.skipped(self.say("nothing", **why))]
        tests = self._deletions(evidence) if has["deletion"] else {}
        found: list[Finding] = [self._gain(split, tested) for split, tested in tests.items()]
        supported = {split: _supported(tested.gain) for split, tested in tests.items()}
        if has["attributions"]:
            found += self._attributions(evidence, supported)
        if has["permutations"]:
            # The deletion test tries the order of the attributions where there are any.
            found += self._permutations(evidence, {} if has["attributions"] else supported)
        reasons = {name: evidence.absent.get(name, "not collected") for name in self.uses if not has[name]}
        return found + [self.skipped(reason, Scope(condition={"evidence": name})) for name, reason in reasons.items()]

    def _deletions(self, evidence: Evidence) -> dict[str, Deletion]:
        table, found = evidence.table("deletion"), {}
        for split in splits_in(table):
            tested = deletion(rows_of(table, split), evidence.outcomes(split), evidence.confidence)
            if isinstance(tested, Deletion):
                found[split] = tested
        return found

    def _attributions(self, evidence: Evidence, supported: dict[str, bool]) -> list[Finding]:
        table, found = evidence.table("attributions"), []
        for split in splits_in(table):
            told = attributed(rows_of(table, split), evidence.outcomes(split), evidence.confidence)
            found += self._completeness(split, told)
            for place, importance in enumerate(told.importances):
                found += self._attribution(split, told, importance, place == 0, self._proof(supported.get(split)))
        return found

    def _attribution(
        self, split: str, told: Attributed, importance: Importance, first: bool, proof: str
    ) -> list[Finding]:
        scope, words = Scope(split=split, feature=importance.feature), {"feature": importance.feature, "split": split}
        signed = importance.signed
        assert signed is not None
        # The method is told once, with the figure; the other inputs differ in nothing but their numbers.
        how = self.say("size_how", method=told.method, baseline=told.baseline) if first else ""
        size = self.finding(
            _SIZE,
            scope,
            importance.size,
            title=self.say("size", **words, value=span(importance.size, share=False)),
            explanation=" ".join(filter(None, (self.say("size_why"), how, proof))),
            figures=self._bars("Mean |attribution|", split, told.importances) if first else (),
        )
        mean = self.finding(
            _SIGNED,
            scope,
            signed,
            title=self.say("signed", **words, value=span(signed, share=False)),
            explanation=self.say("signed_why"),
        )
        return [size, mean]

    def _completeness(self, split: str, told: Attributed) -> list[Finding]:
        errors = told.errors[np.isfinite(told.errors)]
        value, scope = told.completeness, Scope(split=split)
        largest = Estimate.exact(float(errors.max()), len(errors)) if len(errors) else value
        bad = value.low is not None and value.low > self.completeness_tolerance
        why = ""
        if len(errors):
            why = self.say("complete_why", median=percent(float(np.median(errors))), largest=percent(errors.max()))
        if bad:
            why += " " + self.say("complete_bad", tolerance=percent(self.completeness_tolerance))
        return [
            self.finding(
                _COMPLETENESS,
                scope,
                value,
                title=self.say("complete", split=split, value=span(value, share=True)),
                explanation=why,
                status=Status.WARN if bad else Status.INFO,
                better=Better.LOWER,
                remedy=self.say("complete_remedy") if bad else None,
                affected=self.say("gain_affected") if bad else None,
            ),
            self.finding(
                _WORST,
                scope,
                largest,
                title=self.say("complete_max", split=split, value=span(largest, share=True)),
                explanation=why,
                better=Better.LOWER,
            ),
        ]

    def _permutations(self, evidence: Evidence, supported: dict[str, bool]) -> list[Finding]:
        table, found = evidence.table("permutations"), []
        for split in splits_in(table):
            told = permuted(evidence, rows_of(table, split), evidence.outcomes(split))
            if isinstance(told, str):
                found.append(self.skipped(told, Scope(split=split, condition={"evidence": "permutations"})))
                continue
            proof = self._proof(supported.get(split))
            for place, importance in enumerate(told.importances):
                found.append(self._permutation(split, told, importance, place == 0, proof))
        return found

    def _permutation(self, split: str, told: Permuted, importance: Importance, first: bool, proof: str) -> Finding:
        value = importance.size
        used = value.low is not None and value.low > 0
        why = self.say("permuted_why" if used else "permuted_none")
        words = {"feature": importance.feature, "split": split, "unit": name_of(told.unit)}
        key = "permuted" if told.more_is_worse else "permuted_drop"
        return self.finding(
            _PERMUTED,
            Scope(split=split, feature=importance.feature),
            value,
            title=self.say(key, **words, value=span(value, share=False)),
            explanation=f"{why} {proof}".strip() if used else why,
            figures=self._bars("Permutation importance", split, told.importances) if first else (),
        )

    def _gain(self, split: str, tested: Deletion) -> Finding:
        good = _supported(tested.gain)
        bad = not good and tested.gain.value is not None
        return self.finding(
            _GAIN,
            Scope(split=split),
            tested.gain,
            title=self.say("gain", split=split, value=span(tested.gain, share=False)),
            explanation=self.say("gain_yes" if good else "gain_no", rows=count(tested.rows)),
            status=Status.WARN if bad else Status.INFO,
            better=Better.HIGHER,
            remedy=self.say("gain_remedy") if bad else None,
            affected=self.say("gain_affected") if bad else None,
            figures=() if tested.gain.value is None else (self._curves(split, tested),),
        )

    def _proof(self, supported: bool | None) -> str:
        return "" if supported is None else self.say("tested" if supported else "untested")

    def _bars(self, what: str, split: str, importances: Sequence[Importance]) -> tuple[Figure, ...]:
        shown = [i for i in importances if i.size.value is not None][:_MOST_DRAWN]
        if not shown:
            return ()
        points = tuple(
            Point(label=i.feature, y=i.size.value, low=i.size.low, high=i.size.high, n=i.size.n) for i in shown
        )
        values = "; ".join(f"'{i.feature}' {span(i.size, share=False)}" for i in shown)
        return (
            Figure(
                kind="bars",
                title=self.say("bars", what=what, split=split),
                alt=self.say("bars_alt", what=what, split=split, values=values),
                x=Axis(label="input"),
                y=Axis(label=what.lower()),
                series=(Series(name=what, points=points),),
            ),
        )

    def _curves(self, split: str, tested: Deletion) -> Figure:
        series, said = [], {}
        for order in ORDERS:
            curve = tested.curves[order]
            points = tuple(
                Point(x=float(share), y=e.value, low=e.low, high=e.high, n=e.n)
                for share, e in zip(tested.shares, curve, strict=True)
                if e.value is not None
            )
            series.append(Series(name="explanation" if order == "attribution" else order, points=points))
            ends = [number(p.y) for p in (points[:1] + points[-1:]) if p.y is not None]
            said[order] = "from " + " to ".join(ends) if ends else "none"
        return Figure(
            kind="lines",
            title=self.say("curves", split=split),
            alt=self.say("curves_alt", ours=said["attribution"], random=said["random"]),
            x=Axis(label="share of inputs replaced", low=0, high=1),
            y=Axis(label="response left"),
            series=tuple(series),
        )


def _supported(gain: Estimate) -> bool:
    return gain.low is not None and gain.low > 0

"""The findings on single groups: their rates, the worst of them, and adverse impact against the most selected one."""

from __future__ import annotations

from collections.abc import Iterable

from auditkit.checks.bias.asking import value_is_told, worst_is_told
from auditkit.checks.bias.comparison import WORST, Comparison
from auditkit.checks.bias.missing import Ranges
from auditkit.checks.bias.more import SELECTION, metrics_of, worst
from auditkit.checks.glossary import meaning
from auditkit.checks.reading import is_share
from auditkit.checks.texts import amount, count, listed, name_of, sentence, span
from auditkit.core.check import Check
from auditkit.core.estimate import Estimate
from auditkit.core.finding import Finding, Scope
from auditkit.core.messages import number, percent
from auditkit.core.task import GroupMeasure, RowStatistic
from auditkit.core.types import Better
from auditkit.measures.impact import AdverseImpact, Impact, adverse_impact
from auditkit.measures.rates import FEWEST_OF_A_MEAN

IMPACT = "adverse_impact_ratio"
Metric = RowStatistic | GroupMeasure


def reads_as_share(metric: Metric) -> bool:
    """Whether values read as percentages."""
    return is_share(metric) if isinstance(metric, RowStatistic) else metric.share


def rate_findings(check: Check, comparison: Comparison, ranges: Ranges | None) -> Iterable[Finding]:
    """The value of every metric that is told by group, in every group that has a finding on it."""
    for metric, values in metrics_of(comparison):
        if value_is_told(metric, comparison.asked):
            for at in comparison.told_by(metric.name, metric.class_).tolist():
                yield _rate(check, comparison, metric, at, values[at], ranges)


def _rate(
    check: Check, comparison: Comparison, metric: Metric, at: int, value: Estimate, ranges: Ranges | None
) -> Finding:
    group, share = comparison.groups.labels[at], reads_as_share(metric)
    told = [meaning(metric.name, metric.class_)]
    enough = value.n >= comparison.min_group and value.sufficient
    if value.value is not None and not enough:
        least = comparison.min_group if value.sufficient else max(comparison.min_group, FEWEST_OF_A_MEAN)
        told.append(check.say("few", rows=count(value.n), least=least))
    known = None if ranges is None or metric.class_ is not None else ranges.of_group(metric.name, at)
    if known is not None and ranges is not None:
        low, high = (amount(end, share=True) for end in known)
        told.append(check.say("unlabelled_rate", rows=count(int(ranges.missing[at])), low=low, high=high))
    return check.finding(
        metric.name,
        Scope(split=comparison.split, attribute=comparison.attribute, groups=(group,), class_=metric.class_),
        value,
        title=check.say(
            "rate",
            metric=sentence(name_of(metric.name, metric.class_)),
            attribute=comparison.attribute,
            group=group,
            split=comparison.split,
            value=span(value, share=share),
        ),
        explanation=" ".join(text for text in told if text),
        better=metric.better,
        sufficient=enough,
    )


def worst_findings(check: Check, comparison: Comparison) -> Iterable[Finding]:
    """The worst group's value of every metric of which a gate names it."""
    every: list[Metric] = [*comparison.statistics, *comparison.measures]
    for metric in every:
        if metric.better is not None and worst_is_told(metric, comparison.asked):
            yield _worst(check, comparison, metric, metric.better)


def _worst(check: Check, comparison: Comparison, metric: Metric, better: Better) -> Finding:
    name = WORST + metric.name
    words = {"attribute": comparison.attribute, "split": comparison.split}
    title = sentence(name_of(name, metric.class_))
    scope = Scope(split=comparison.split, attribute=comparison.attribute, compared=(), class_=metric.class_)
    groups = comparison.groups
    if comparison.names_rows or len(groups.labels) < 2:
        idlike = check.say("idlike", **words, groups=len(groups.labels), rows=count(groups.rows))
        why = idlike if comparison.names_rows else check.say("alone", **words)
        nothing = Estimate.undefined(why, groups.rows)
        return check.finding(
            name, scope, nothing, title=check.say("undefined", metric=title, **words), better=better, sufficient=False
        )
    found = worst(comparison, metric, better)
    problem = comparison.outcomes.problem
    estimate = found.estimate
    if estimate.value is None and problem is not None:
        estimate = Estimate.undefined(problem, estimate.n)
    told = [check.say("worst_why", name=name_of(metric.name, metric.class_))]
    if found.partial is not None and found.partial.value is not None:
        told.append(check.say("partial", value=span(found.partial, share=reads_as_share(metric))))
    if found.small:
        told.append(check.say("small", groups=listed(found.small), least=comparison.min_group))
    return check.finding(
        name,
        scope.model_copy(
            update={"groups": None if found.group is None else (found.group,), "compared": found.compared}
        ),
        estimate,
        title=check.say("undefined", metric=title, **words)
        if estimate.value is None
        else check.say(
            "worst", metric=title, value=span(estimate, share=reads_as_share(metric)), group=found.group, **words
        ),
        explanation=" ".join(told),
        better=better,
        sufficient=not found.small,
    )


def impact_of(comparison: Comparison) -> AdverseImpact | None:
    """Adverse impact of the favourable label, None where no label is favourable or the attribute names rows."""
    selected = [s for s in comparison.statistics if s.name == SELECTION and s.class_ is None]
    if not selected or comparison.names_rows:
        return None
    return adverse_impact(selected[0], comparison.groups, comparison.outcomes.design, comparison.confidence)


def impact_findings(check: Check, comparison: Comparison, impact: AdverseImpact | None) -> Iterable[Finding]:
    """One finding a group: its selection rate over that of the most selected group, with the tests of regulators."""
    if impact is None:
        return
    told = {comparison.groups.labels[at] for at in comparison.told_by(IMPACT).tolist()}
    for one in impact.groups:
        if one.group in told:
            yield _impact(check, comparison, impact.reference, one)


def _impact(check: Check, comparison: Comparison, reference: str | None, one: Impact) -> Finding:
    problem, ratio = comparison.outcomes.problem, one.ratio
    if ratio.value is None and problem is not None:
        ratio = Estimate.undefined(problem, ratio.n)
    elif ratio.value is None and not (ratio.reason or "").startswith(one.group):
        ratio = Estimate.undefined(f"{one.group}: {ratio.reason}", ratio.n)
    words = {"attribute": comparison.attribute, "group": one.group, "split": comparison.split}
    enough = ratio.n >= comparison.min_group
    told = [meaning(IMPACT)]
    if one.group == reference:
        told.append(check.say("reference"))
    elif ratio.value is not None:
        told += _tests(check, reference, one)
    if ratio.value is not None and not enough:
        told.append(check.say("few", rows=count(ratio.n), least=comparison.min_group))
    return check.finding(
        IMPACT,
        Scope(split=comparison.split, attribute=comparison.attribute, groups=(one.group,)),
        ratio,
        title=check.say("impact", value=span(ratio, share=False), reference=reference or "", **words)
        if ratio.value is not None
        else check.say("no_impact", **words),
        explanation=" ".join(told),
        better=Better.HIGHER,
        sufficient=enough,
    )


def _tests(check: Check, reference: str | None, one: Impact) -> list[str]:
    """The selection rate, the standard deviations and the exact test, in sentences."""
    told = [
        check.say(
            "impact_rates",
            rate=percent(one.rate.value or 0.0),
            reference=reference,
            side="below" if one.below_four_fifths else "not below",
        )
    ]
    if one.deviations is not None:
        told.append(
            check.say(
                "deviations",
                deviations=number(abs(one.deviations)),
                direction="fewer" if one.deviations >= 0 else "more",
                side="more" if one.beyond_two_deviations else "not more",
            )
        )
    told.append(check.say("fisher", p=number(one.fisher_p)) if one.fisher_p is not None else f"{one.fisher_reason}.")
    if one.shortfall is not None and one.shortfall > 0:
        told.append(check.say("shortfall", rows=number(one.shortfall)))
    if one.share < 0.02:
        told.append(check.say("two_percent"))
    return told

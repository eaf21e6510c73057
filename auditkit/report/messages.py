"""Every text of the report that no check wrote, in one place, as `str.format` messages."""

from __future__ import annotations

from collections.abc import Mapping

from auditkit.checks.registry import FAMILIES as QUESTIONS
from auditkit.core.messages import render

MESSAGES: Mapping[str, str] = {
    "verdict.pass": "This model meets all {total} of its requirements.",
    "verdict.pass.one": "This model meets its one requirement.",
    "verdict.fail": "This model does not meet {failed} of its {total} requirements: {names}.",
    "verdict.fail.one": "This model does not meet its one requirement: {names}.",
    "verdict.inconclusive": "Could not be decided: {open} of {total} requirements can't be settled by this "
    "data: {names}.",
    "verdict.inconclusive.one": "Could not be decided: the one requirement can't be settled by this data: {names}.",
    "verdict.inconclusive.allowed": "Accepted undecided: {open} of {total} requirements can't be settled "
    "by this data: {names}.",
    "verdict.error": "Could not be judged: {open} of {total} requirements have no result: {names}.",
    "verdict.error.one": "Could not be judged: the one requirement has no result: {names}.",
    "verdict.unfinished": "The audit could not be finished; what follows is what it found before it stopped.",
    "verdict.unjudged": "Nothing was judged: the plan names no gates.",
    "verdict.also.inconclusive": "{count} more could not be decided.",
    "verdict.also.error": "{count} more have no result.",
    "verdict.also.error.one": "1 more has no result.",
    "verdict.none.failed": "None failed.",
    "detail.warnings": "Beside the requirements, {count} findings call for attention.",
    "detail.warnings.one": "Beside the requirements, one finding calls for attention.",
    "strip.alt": "{value}; bound: {bounds}",
    "on.split": ", {split} data",
    "status.pass": "Met",
    "status.fail": "Not met",
    "status.inconclusive": "Undecided",
    "status.error": "No result",
    "status.warn": "Warning",
    "status.info": "Measured",
    "status.skipped": "Not tested",
    "verdict.word.pass": "Passed",
    "verdict.word.fail": "Failed",
    "verdict.word.inconclusive": "Undecided",
    "verdict.word.error": "Not judged",
    "verdict.word.unjudged": "No gates",
    "value.undefined": "not defined",
    "value.no-interval": "no interval: not a sample",
    "method.exact count": "counted in the file",
    "method.maximum": "the largest one found",
    "value.interval-missing": "no interval could be given",
    "small.shown": "not shown",
    "small.value": "fewer than {min_cell} rows",
    "small.finding": "Not shown: it rests on fewer than {min_cell} rows, and could tell of single people.",
    "small.vague": "Not shown: too few rows to show.",
    "small.sibling": "Not shown: with what else is shown of this group, it would tell a rate that rests on fewer than "
    "{min_cell} rows.",
    "small.gap": "Not shown: one of the groups has fewer than {min_cell} rows, and the number could tell of single "
    "people.",
    "small.gap.rate": "Not shown: in one of the groups a rate behind it rests on fewer than {min_cell} rows (those "
    "with one of the labels, or with one of the answers), and the number could tell of single people.",
    "small.gap.sibling": "Not shown: with what else is shown of one of the groups, it would tell a rate that rests on "
    "fewer than {min_cell} rows.",
    "small.note": "Numbers about a group, a slice or a bin of scores that rest on fewer than {min_cell} rows are left "
    "out of this report, its figures and its tables, together with the rates of the same group from which they could "
    "be worked out. Numbers about a whole split are shown however few rows it has, and what is shown of all other "
    "groups can narrow what was left out of one.",
    "small.elsewhere": "audit.json and the folder evidence/ leave nothing out: protect them like the data itself.",
    "insufficient": "too few rows to pass on",
    "not-reproducible": "a rerun will differ",
    "bound.max": "at most {bound}",
    "bound.min": "at least {bound}",
    "bound.both": "between {low} and {high}",
    "bound.relative.ratio": "{bound} of that {reference}",
    "bound.relative.difference": "{bound} above that {reference}",
    "affected.gap": "{low} (lowest) against {high} (highest), by {attribute}",
    "affected.group": "the group {group} of {attribute}",
    "affected.attribute": "groups of {attribute}",
    "affected.class": "rows of the class {class_}",
    "affected.slice": "rows where {terms}",
    "affected.feature": "the input {feature}",
    "affected.inputs": "the inputs {features}",
    "affected.inputs.one": "the input {features}",
    "affected.all": "everyone in the {split} data",
    "affected.any": "everyone",
    "affected.worse": "{worse}: the model does worse for them than for {other}, by {attribute}",
    "affected.fewer": "{worse}: they get fewer favourable answers than {other}, by {attribute}",
    "affected.class.fewer": "{worse}: they get the answer “{class_}” less often than {other}, by {attribute}",
    "affected.alike": "no group of {attribute} more than another",
    "plain.selection_rate.ratio": "{low} is given {answer} {value} times as often as {high} {ends}",
    "plain.selection_rate.points": "{low} is given {answer} less often than {high}: a gap of {value} percentage "
    "points {ends}",
    "plain.true_positive_rate.ratio": "Among those who truly have {label}, {low} is given it {value} times as often as "
    "{high} {ends}",
    "plain.true_positive_rate.points": "Among those who truly have {label}, {low} is given it less often than {high}: "
    "a gap of {value} percentage points {ends}",
    "plain.false_positive_rate.points": "Among those who truly lack {label}, {high} is given it more often than {low}: "
    "a gap of {value} percentage points {ends}",
    "plain.false_negative_rate.points": "Among those who truly have {label}, {high} is denied it more often than "
    "{low}: a gap of {value} percentage points {ends}",
    "plain.accuracy.points": "The model is right less often for {low} than for {high}: a gap of {value} percentage "
    "points {ends}",
    "plain.equalized_odds.points": "The model errs differently for {high} and for {low}: how often {answer} is given, "
    "among those who truly have {label} or among those who truly lack it, differs by {value} percentage points {ends}",
    "plain.accuracy": "The model is right in {value} of all cases {ends}",
    "plain.expected_calibration_error": "Scores miss what really happens by {value} percentage points on average "
    "{ends}",
    "plain.other": "{label} is {measured}",
    "plain.relative.ratio": "{label} is {measured} of that {reference}",
    "plain.relative.difference": "{label} minus that {reference} is {measured}",
    "plain.required": "; the plan requires {bounds}.",
    "plain.undecided": "; the plan requires {bounds}, and this data can’t tell whether that holds.",
    "plain.answer": "the favourable answer",
    "plain.answer.named": "the favourable answer {label}",
    "plain.answer.class": "the answer {label}",
    "plain.label": "the favourable label",
    "plain.percent": "{number}%",
    "plain.points": "{number} percentage points",
    "todo.fail": "Don't release on this result. Find where the number comes from in the section of its "
    "check, and audit again.",
    "todo.inconclusive": "Collect more rows of the groups named here, or settle the question by another "
    "route. More rows narrow the interval; this data can't tell on which side of the bound the model is.",
    "todo.error": "Repair what is missing and run the audit again. Until then nothing is known about this requirement.",
    "todo.warn": "Look into it before release; no gate of the plan covers it.",
    "interval.plain": "Every measurement on a sample is shown with an interval: the range in which the "
    "true value plausibly lies, given how many rows there were. {confidence} of such intervals contain the "
    "true value. A wide interval means that little is known, not that all is well. What was counted in the files "
    "themselves (missing cells, copies, sizes, the means of columns) describes these files, and has none.",
    "interval.status": "A requirement is met only when its whole interval is on the right side of the "
    "bound, and not met only when its whole interval is on the wrong side. In between it is undecided: this "
    "data can't tell, and a number that merely looks good does not count.",
    "interval.decimals": "Rates and gaps are decimals between 0 and 1, as in the plan: 0.104 is 10.4%, and "
    "a gap of 0.104 is 10.4 percentage points.",
    "untested.off": "Switched off in the plan.",
    "untested.gate": "Not part of this run: it judged a file of predictions alone.",
    "untested.no-findings": "Its checks reported nothing in this audit.",
    "untested.no-check": "This version of auditkit has no check for it.",
    "limit.sample": "Every number describes the data that was audited. People who are missing from it, or "
    "who changed since, are not described.",
    "limit.gates": "A requirement that nobody wrote into the plan was not judged. Passing gates is not "
    "proof of fitness for use.",
    "limit.groups": "Groups were compared by the columns that the plan declares as sensitive: "
    "{attributes}. Other groups were not looked at.",
    "limit.no-groups": "The plan declares no sensitive columns, so no groups of people were compared.",
    "limit.unlabelled": "Rows of the {split} split without a label: {rows}. Metrics that need the truth "
    "leave them out; if labels are known only for those whom an earlier decision favoured, those metrics are biased.",
    "limit.unscored": "Rows of the {split} split that the model could not score, and that enter no metric: {rows}.",
    "limit.unreadable": "Rows of the {split} split that could not be read: {rows}.",
    "limit.sampled": "The {split} split is a random sample of {rows} of {whole} rows.",
    "limit.reproducible": "Numbers marked “a rerun will differ” (times, memory) depend on the machine.",
    "limit.isolation": "The model was not isolated from the audit’s own process.",
    "limit.sandbox": "The model was loaded without a sandbox (--no-sandbox): it could read and write files, start "
    "programs and use the network, as the user who ran the audit can.",
    "limit.trusted": "The answers come from code that the model brought along and that was trusted. Such code can "
    "answer otherwise outside of an audit. Its files stand under “Isolation of the model”.",
    "trusted.digest": "{path} can run code. It was loaded because its digest was named as trusted: sha256:{sha256}.",
    "trusted.code": "{path} is Python code. It was run because it was named as the user’s own: sha256:{sha256}.",
    "reproduce.run": "auditkit run PLAN --seed {seed}{flags}",
    "reproduce.about": "Save the plan below beside the data and the model, and run the command with the "
    "same versions. The same seed gives the same numbers.",
    "reproduce.gate.about": "Run the command beside the file of predictions, with the same version. The same file "
    "gives the same numbers.",
    "page.how": "How it is measured",
    "page.measures": "What it measures",
    "page.reading": "How to read this",
    "page.assumptions": "What it assumes",
    "page.source": "Source",
    "method.one": "{confidence} intervals by {method}.",
    "method.many": "{confidence} intervals; the method stands in each row.",
    "more.rows": "{shown} of {total} rows are shown; all are in audit.json.",
    "more.words": "{shown} of {total} explanations are shown; all are in audit.json.",
    "more.tables": "{shown} of {total} tables are shown; all are in audit.json.",
    "more.columns": "{shown} of {total} metrics are shown; all are in audit.json.",
    "more.groups": "{shown} of {total} groups are shown, those furthest out; all are in audit.json.",
    "more.cards.cut": "{count} more are in audit.json.",
    "more.points": "The first {shown} of {total} rows are drawn; the data table has more.",
    "more.cards": "{count} further findings that call for attention",
    "md.facts": "{model} · rows: {rows} · auditkit {version}",
    "md.n": "(n = {n})",
    "md.counts": "{total} findings: {listed}.",
    "md.interval": "Brackets are intervals. Undecided: the interval straddles the bound, so this data can't tell.",
    "md.cut": "… cut here; the rest is in report.html.",
    "sarif.affected": "Affected: {who}.",
    "column.gate": "Requirement",
    "column.value": "Measured",
    "column.interval": "Interval",
    "column.bound": "Bound",
    "column.outcome": "Outcome",
    "column.reason": "Why",
    "column.series": "Series",
    "column.label": "Name",
    "column.n": "Rows",
    "cell.true": "yes",
    "cell.false": "no",
    "group.empty": "(empty)",
    "figure.n": "n = {n}",
    "more.series": "The first {shown} of {total} series are drawn.",
    "more.figures": "{shown} of {total} figures are shown; all are in audit.json.",
    "caption.overall": "Measurements{where}",
    "caption.ratios": "Ratios by {attribute}{where}",
    "hidden.rows": "Not shown, because too few rows stand behind them or behind a rate that they would tell: {names}.",
    "hidden.group": "not shown: {small}",
    "hidden.group.rate": "not shown: too few rows behind one of its rates",
    "folded.summary": "{count} more tables: {captions}",
    "folded.summary.one": "{captions}",
    "alias": "{label} (the {other})",
    "caption.features": "By input{where}",
    "caption.gaps": "Gaps by {attribute}{where}",
    "caption.groups": "Each group of {attribute}{where}",
    "facts.model": "What the model does",
    "facts.technical": "Technically",
    "facts.binary": "Chooses between {first} and {second}; {positive} is the favourable answer",
    "facts.multiclass": "Chooses one of {count} classes: {names}",
    "facts.regression": "Predicts a number",
    "facts.threshold": "score from {threshold} on is {positive}",
    "facts.utc": "{moment} UTC",
    "context.unstated": "not stated in the plan",
    "facts.parameters": "{count} parameters",
    "facts.rows": "Rows",
    "facts.date": "Audited",
    "context.use": "Intended use",
    "context.affected": "Who is affected",
    "context.harms": "What could go wrong",
    "context.reviewer": "Reviewer",
    "env.platform": "Platform",
    "env.device": "Device",
    "env.seed": "Seed",
    "env.time": "Time",
    "digest.model": "Model",
    "page.title": "{name}: {word} – auditkit",
    "skip": "Skip to the verdict",
    "toc": "Contents",
    "head.verdict": "Verdict",
    "head.untested": "Not tested",
    "head.context": "Context of use",
    "head.data": "The data",
    "head.limits": "Limits",
    "head.reproduce": "How to reproduce it",
    "head.interval": "How to read the intervals",
    "head.notes": "Notes",
    "head.isolation": "Isolation of the model",
    "head.versions": "Versions",
    "head.digests": "Digests (SHA-256)",
    "head.plan": "The plan, every default filled in",
    "caption.gates": "Every requirement of the plan",
    "caption.data": "What was audited, by split",
    "column.metric": "Metric",
    "column.split": "Split",
    "column.drawn": "Drawn",
    "column.highest": "Highest",
    "column.lowest": "Lowest",
    "column.method": "Method",
    "column.basis": "Basis",
    "column.group": "Group",
    "column.unreadable": "Unreadable",
    "column.unlabelled": "Without a label",
    "column.unscored": "Unscored",
    "column.sampled": "Sampled from",
    "data.all": "all rows",
    "card.required": "Required: {requirement}.",
    "card.group": "{count} warnings of one kind: {metric}",
    "card.more": "and {count} more; all are in the section of the check",
    "card.who": "Who is affected",
    "card.sure": "How sure",
    "card.what": "What it means",
    "card.todo": "What to do",
    "value.basis": "{confidence} interval, {method}",
    "toc.attention": "to look at",
    "tables.more": "{count} more tables of this check",
    "tables.more.one": "One more table of this check",
    "figure.data": "Data of this figure",
    "figure.more": "{count} more figures",
    "words.summary": "{caption}, in words",
    "matrix.note": "The n under a number counts the rows that it rests on.",
    "strip.scale": "Drawn from {low} to {high}.",
    "value.unmeasured": "not measured",
    "more.gates": "{count} more requirements",
    "family.counts": "Findings: {counts}.",
    "untested.about": "What an audit leaves out matters as much as what it finds.",
    "context.about": "As the plan states it; auditkit did not verify it.",
    "end": "Made by auditkit. This file loads nothing and runs no script.",
    "head.gates": "Requirements",
    "head.worst": "What needs attention",
    "md.more": "{count} more in report.html",
    "gates.none": "The plan says gates: none. Everything below was measured, and nothing was judged.",
    "worst.none": "No gate failed and no check warns.",
    "unjudged.case": "no gate was judged: the plan says gates: none",
}

#: The sections of the report, in order: family, title, and the question it answers.
FAMILIES: Mapping[str, tuple[str, str]] = {name: (name.capitalize(), asked) for name, asked in QUESTIONS.items()}


def text(key: str, **parameters: object) -> str:
    """The message `key`, its parameters filled in. Raises `KeyError` for an unknown key."""
    return render("report", key, MESSAGES, **parameters)


def cut(key: str, shown: int, total: int, **parameters: object) -> str:
    """What says that only the first `shown` of `total` are there; empty where all are."""
    return text(key, shown=f"{shown:,}", total=f"{total:,}", **parameters) if shown < total else ""


def counted(key: str, number: int, **parameters: object) -> str:
    """Like `text`, in the form for one where `number` is 1 and there is such a form."""
    one = f"{key}.one"
    return text(one if number == 1 and one in MESSAGES else key, **parameters)

"""A realistic audit to render: a binary census model, with everything in it that a report can meet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from auditkit.core.audit import Audit, DataSummary, Environment, ModelSummary, RunRecord, TrustedFile
from auditkit.core.figure import Axis, Figure, Point, Series, Table
from auditkit.core.finding import Bounds, Finding, Scope, finding_id
from auditkit.core.types import Better, Status, Verdict

SCRIPT = "</script><script>alert(1)</script>"
BIDI = "Male\u202egnp.exe"
ANSI = "\x1b[31mred\x1b[0m"
COMMAND = "::error::owned"
FORMULA = "=cmd()|'/C calc'!A0"
LONG = "x" * 5000
IMG = '"><img src=x onerror=alert(2)>'

SEX = {"Female": 5421, "Male": 10860}
RACE = {
    "White": 13946,
    "Black": 1561,
    "Asian-Pac-Islander": 480,
    "Amer-Indian-Eskimo": 159,
    "Other": 132,
    "(missing)": 3,
}
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")


def wilson(share: float, n: int) -> tuple[float, float]:
    z2 = 1.96**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = 1.96 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def finding(check: str, metric: str, scope: Scope, *, gate: Bounds | None = None, **fields: Any) -> Finding:
    fields.setdefault("title", f"{metric} of {check}")
    if fields.get("interval") is not None:
        fields.setdefault("confidence", 0.95)
        fields.setdefault("method", "Wilson")
    return Finding(
        id=finding_id(check, metric, scope, gate), check=check, metric=metric, scope=scope, gate=gate, **fields
    )


def groups_of(attribute: str, sizes: dict[str, int]) -> list[Finding]:
    found = []
    for index, (group, size) in enumerate(sizes.items()):
        for shift, metric in enumerate(RATES):
            n = max(1, size // (1 if metric in ("selection_rate", "accuracy") else 4))
            share = min(0.97, 0.18 + 0.17 * shift + 0.045 * index)
            scope = Scope(split="test", attribute=attribute, groups=(group,))
            title = f"{metric} of {attribute} '{group}': {100 * share:.1f}%"
            found.append(
                finding("bias.groups", metric, scope, value=share, interval=wilson(share, n), n=n, title=title)
            )
    return found


def rate_figure(attribute: str, sizes: dict[str, int], metric: str) -> Figure:
    rows = [f for f in groups_of(attribute, sizes) if f.metric == metric]
    points = tuple(
        Point(label=(f.scope.groups or ("",))[0], x=f.value, low=f.interval[0], high=f.interval[1], n=f.n)
        for f in rows
        if f.interval
    )
    said = "; ".join(f"{p.label} {p.x:.3f}" for p in points)
    return Figure(
        kind="intervals",
        title=f"{metric.replace('_', ' ').capitalize()} by {attribute}",
        alt=f"{metric} by {attribute}: {said}",
        x=Axis(label=metric.replace("_", " "), low=0, high=1),
        y=Axis(label=""),
        series=(Series(name=metric, points=points),),
        reference=0.24,
        reference_label="overall",
    )


def gap(attribute: str, metric: str, pair: tuple[str, str], compared: Sequence[str], **fields: Any) -> Finding:
    scope = Scope(split="test", attribute=attribute, groups=pair, compared=tuple(compared))
    fields.setdefault("title", f"Gap in {metric} by {attribute}: highest '{pair[0]}', lowest '{pair[1]}'")
    fields.setdefault(
        "explanation", "The largest minus the smallest rate over the groups: 0 means that they are alike."
    )
    fields.setdefault("method", "simultaneous Newcombe")
    return finding("bias.groups", metric, scope, n=16281, better=Better.LOWER, **fields)


def bias() -> list[Finding]:
    both = {f"{s}×{r}": max(2, int(n * m / 16281)) for s, m in SEX.items() for r, n in RACE.items()}
    found: list[Finding] = []
    for attribute, sizes in (("sex", SEX), ("race", RACE), ("sex×race", both)):
        found += groups_of(attribute, sizes)
        names = list(sizes)
        pair = (names[1], names[0])
        found.append(
            gap(
                attribute,
                "demographic_parity_difference",
                pair,
                names,
                value=0.181,
                interval=(0.168, 0.1942),
                status=Status.WARN if attribute == "sex" else Status.INFO,
                remedy="Look at base rates and labels before choosing a remedy: reweighting, or another threshold.",
                figures=(rate_figure(attribute, sizes, "selection_rate"),),
            )
        )
        found.append(
            gap(
                attribute,
                "equalized_odds_difference",
                pair,
                names,
                value=0.10399999,
                interval=(0.0812345, 0.1271),
                figures=(rate_figure(attribute, sizes, "true_positive_rate"),),
            )
        )
        found.append(
            gap(
                attribute,
                "true_positive_rate_difference",
                (names[-1], names[0]),
                names,
                value=0.61,
                interval=(0.2, 0.9),
                explanation="'(missing)' has 3 rows behind the rate.",
            )
        )
    return found


def performance() -> list[Finding]:
    test = Scope(split="test")
    rows = (
        ("accuracy", 0.8527, (0.8472, 0.8581)),
        ("balanced_accuracy", 0.771, (0.764, 0.778)),
        ("roc_auc", 0.9087, (0.9041, 0.9133)),
        ("f1", 0.664, (0.652, 0.676)),
        ("log_loss", 0.3189, (0.31, 0.328)),
        ("precision", 0.724, (0.71, 0.738)),
        ("recall", 0.613, (0.598, 0.628)),
    )
    found = [
        finding(
            "performance.summary",
            m,
            test,
            value=v,
            interval=i,
            n=16281,
            method="DeLong" if m == "roc_auc" else "Wilson",
            title=f"{m} on test",
            explanation="What it means.",
        )
        for m, v, i in rows
    ]
    table = Table(
        title="Confusion counts",
        columns=("", "predicted <=50K", "predicted >50K"),
        rows=(("true <=50K", 11000, 1435), ("true >50K", 963, 2883)),
    )
    latency = finding(
        "performance.summary",
        "latency_ms",
        test,
        value=0.4321,
        n=200,
        sampled=False,
        reproducible=False,
        title="Latency",
        tables=(table,),
    )
    return [*found, latency]


def lines(title: str, names: Sequence[str], count: int, *, band: bool) -> Figure:
    series = []
    for k, name in enumerate(names):
        values = [1 - 0.8 * (i / count) ** (0.4 + 0.5 * k) for i in range(count + 1)]
        points = tuple(
            Point(x=i / count, y=v, low=v - 0.04 if band else None, high=v + 0.04 if band else None)
            for i, v in enumerate(values)
        )
        series.append(Series(name=name, points=points))
    return Figure(
        kind="lines",
        title=title,
        alt=f"{title}: the curve by importance falls faster than at random.",
        x=Axis(label="share of inputs replaced", low=0, high=1),
        y=Axis(label="output of the class"),
        series=tuple(series),
    )


def reliability() -> Figure:
    series = []
    for k, name in enumerate(("Female", "Male")):
        points = []
        for i in range(10):
            x = 0.05 + i / 10
            y, n = min(1.0, max(0.0, x + 0.05 * k * math.sin(6 * x))), int(2500 * (1 - x) ** 2) + 3
            low, high = wilson(y, n)
            points.append(Point(x=x, y=y, low=min(low, y), high=max(high, y), n=n))
        series.append(Series(name=name, points=tuple(points)))
    return Figure(
        kind="reliability",
        title="Reliability by sex",
        alt="Scores against observed rates; both near ideal.",
        x=Axis(label="mean score", low=0, high=1),
        y=Axis(label="observed rate", low=0, high=1),
        series=tuple(series),
    )


def importance() -> Figure:
    names = ("capital-gain", "marital-status", "education-num", "age", "hours-per-week", SCRIPT, LONG, BIDI, FORMULA)
    points = tuple(
        Point(label=n, y=0.4 / (i + 1), low=0.35 / (i + 1), high=0.45 / (i + 1)) for i, n in enumerate(names)
    )
    return Figure(
        kind="bars",
        title="Mean absolute attribution",
        alt="capital-gain leads",
        x=Axis(label=""),
        y=Axis(label="mean |attribution|"),
        series=(Series(name="integrated gradients", points=points),),
    )


def others() -> list[Finding]:
    test = Scope(split="test")
    return [
        finding(
            "generalization.gap",
            "accuracy_gap",
            Scope(split="test", reference="train"),
            value=0.0213,
            interval=(0.0141, 0.0285),
            n=16281,
            method="Newcombe",
            title="Accuracy: 2.1 points worse than on train",
        ),
        finding(
            "overfitting.gap",
            "relative_degradation",
            test,
            value=0.024,
            interval=(0.016, 0.033),
            n=16281,
            title="Share of performance lost",
            figures=(lines("Loss by epoch", ("train", "validation"), 18, band=False),),
        ),
        finding(
            "calibration.reliability",
            "expected_calibration_error",
            test,
            value=0.0121,
            interval=(0.0072, 0.0188),
            n=16281,
            method="debiased, bootstrap",
            title="ECE on test",
            figures=(reliability(),),
        ),
        finding(
            "calibration.reliability",
            "expected_calibration_error",
            Scope(split="test", attribute="sex", groups=("Female",)),
            value=0.031,
            interval=(0.021, 0.042),
            n=5421,
            status=Status.WARN,
            title=f"Scores of {SCRIPT} are too high",
            explanation=f"{ANSI} {COMMAND} {FORMULA}",
            affected=f"sex 'Female' {BIDI}, 5,421 rows",
        ),
        finding(
            "explainability.attribution",
            "completeness_error",
            test,
            value=1.2e-5,
            n=256,
            sampled=False,
            title="Completeness error",
            figures=(importance(),),
        ),
        finding(
            "explainability.attribution",
            "deletion_advantage",
            test,
            value=0.121,
            interval=(0.1, 0.143),
            n=256,
            title="Deletion beats random",
            figures=(lines("Deletion curves", ("by importance", "at random"), 10, band=True),),
        ),
        finding(
            "data.integrity",
            "missing_rate",
            Scope(split="test", feature="workclass"),
            value=0.0577,
            interval=(0.0542, 0.0614),
            n=16281,
            title="Missing values",
        ),
        finding(
            "data.integrity",
            "missing_rate",
            Scope(split="test", feature=IMG),
            value=0.0,
            n=16281,
            sampled=False,
            title=f"Missing values of {IMG}",
        ),
        finding(
            "data.leakage",
            "skipped",
            Scope(),
            status=Status.SKIPPED,
            title="Leakage: not tested",
            reason="the plan names no train split; add data.splits.train",
        ),
        finding(
            "explainability.stability",
            "error",
            Scope(),
            status=Status.ERROR,
            title="Stability: could not be finished",
            reason="the check broke: ZeroDivisionError: division by zero",
        ),
    ]


def gated() -> list[Finding]:
    sex, race = list(SEX), list(RACE)
    return [
        gap(
            "sex",
            "equalized_odds_difference",
            ("Male", "Female"),
            sex,
            gate=Bounds(max=0.1),
            value=0.10399999,
            interval=(0.0812345, 0.1271),
            status=Status.INCONCLUSIVE,
            reason="The interval [0.0812, 0.127] straddles the bound max 0.1; about 40 times as many would decide.",
        ),
        gap(
            "sex",
            "demographic_parity_difference",
            ("Male", "Female"),
            sex,
            gate=Bounds(max=0.1),
            value=0.181,
            interval=(0.168, 0.1942),
            status=Status.FAIL,
            reason="The whole interval [0.168, 0.194] breaks the bound max 0.1.",
        ),
        gap(
            "race",
            "true_positive_rate_difference",
            ("(missing)", "White"),
            race,
            gate=Bounds(max=0.2),
            value=0.61,
            interval=(0.2, 0.9),
            status=Status.INCONCLUSIVE,
            reason="'(missing)' has 3 rows: too few for a verdict.",
        ),
        finding(
            "performance.summary",
            "accuracy",
            Scope(split="test"),
            gate=Bounds(min=0.8),
            value=0.8527,
            interval=(0.8472, 0.8581),
            n=16281,
            status=Status.PASS,
            title="Accuracy on test: 85.3%",
        ),
        finding(
            "data.leakage",
            "overlap_rate",
            Scope(split="test"),
            gate=Bounds(max=0.01),
            status=Status.ERROR,
            reason="There is no value to judge: the plan names no train split.",
            title="Overlap of train and test",
        ),
    ]


PAGES = {
    "bias.groups": {
        "summary": "Whether groups of people are treated alike.",
        "measures": "Every rate by group, and the gaps between groups.",
        "how": "Simultaneous intervals of all pairs of groups.",
        "assumptions": "Rows are independent draws.",
        "reading": "Different base rates make it impossible that all gaps are 0 at once.",
        "source": f"Hardt, Price and Srebro (2016). {SCRIPT}",
    }
}


def sample_audit(**changes: Any) -> Audit:
    """The audit; `changes` replace fields of it."""
    fields: dict[str, Any] = {
        "name": f"census-income {SCRIPT}",
        "verdict": Verdict.FAIL,
        "exit_code": 1,
        "model": ModelSummary(
            kind="torch",
            task="binary-classification",
            inputs=("numeric", "categorical"),
            sha256="ab" * 32,
            parameters=48130,
            classes=("<=50K", ">50K"),
            positive=">50K",
            trusted=(
                TrustedFile(path=f"model/{SCRIPT}.pkl", sha256="12" * 32, by="digest"),
                TrustedFile(path=f"{IMG}{ANSI}{COMMAND}.py", sha256="34" * 32, by="code"),
            ),
        ),
        "data": (
            DataSummary(split="train", rows=32561, sha256="cd" * 32),
            DataSummary(split="test", rows=16281, unlabelled=12, unscored=1, sha256="ef" * 32),
        ),
        "findings": (*performance(), *bias(), *others(), *gated()),
        "environment": Environment(
            auditkit="0.1.0",
            python="3.11.7",
            torch="2.13.0",
            seed=7,
            platform="Linux x86_64",
            isolation="worker process, rlimits, no labels",
            packages={"numpy": "2.3.0"},
        ),
        "context": {
            "use": "Rank applicants for a job-training grant.",
            "affected": f"Applicants {IMG}",
            "harms": "People who need the grant are passed over.",
            "reviewer": BIDI,
        },
        "notes": ("The task was inferred from the two labels of the target.", f"{ANSI}{COMMAND}"),
        "plan": {
            "name": "census-income",
            "model": {"kind": "torch", "path": "model/", "threshold": 0.5},
            "data": {
                "splits": {"train": "train.parquet", "test": "test.parquet"},
                "target": "income",
                "positive": ">50K",
                "sensitive": ["sex", "race"],
            },
            "checks": {"robustness": "off"},
            "gates": [{"check": "bias.groups", "metric": SCRIPT, "max": 0.1}],
            "report": {"samples": "redacted", "min_cell": 5},
        },
        "run": RunRecord(id="r1", started="2026-11-24T13:00:00Z", finished="2026-11-24T13:01:30Z", seconds=90.4),
    }
    return Audit(**{**fields, **changes})

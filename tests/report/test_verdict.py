import pytest

from auditkit.core.finding import Bounds, Scope
from auditkit.core.types import Status, Verdict
from auditkit.report.verdict import verdict_sentence, worst
from tests.report.sample import finding, gap, sample_audit


def gates(*statuses: Status):
    return tuple(
        finding(
            "performance.summary", f"metric_{i}", Scope(split="test"), gate=Bounds(min=0.8), value=0.8, status=status
        )
        for i, status in enumerate(statuses)
    )


P, F, I, E = Status.PASS, Status.FAIL, Status.INCONCLUSIVE, Status.ERROR  # noqa: E741


@pytest.mark.parametrize(
    ("verdict", "code", "statuses", "sentence"),
    [
        (Verdict.PASS, 0, (P,), "This model meets its one requirement."),
        (Verdict.PASS, 0, (P, P), "This model meets all 2 of its requirements."),
        (Verdict.FAIL, 1, (F,), "This model does not meet its one requirement: metric 0 at least 0.80."),
        (
            Verdict.FAIL,
            1,
            (F, P, F, I, E),
            "This model does not meet 2 of its 5 requirements: metric 0 at least 0.80 and metric 2 at least 0.80. "
            "1 more could not be decided. 1 more has no result.",
        ),
        (
            Verdict.INCONCLUSIVE,
            5,
            (P, I),
            "Could not be decided: 1 of 2 requirements can't be settled by this data: metric 1 at least 0.80. "
            "None failed.",
        ),
        (
            Verdict.INCONCLUSIVE,
            0,
            (P, I),
            "Accepted undecided: 1 of 2 requirements can't be settled by this data: metric 1 at least 0.80. "
            "None failed.",
        ),
        (
            Verdict.ERROR,
            5,
            (P, E),
            "Could not be judged: 1 of 2 requirements have no result: metric 1 at least 0.80. None failed.",
        ),
        (Verdict.UNJUDGED, 0, (), "Nothing was judged: the plan names no gates."),
        (
            Verdict.ERROR,
            3,
            (),
            "The audit could not be finished; what follows is what it found before it stopped.",
        ),
        (
            Verdict.ERROR,
            3,
            (F, P),
            "The audit could not be finished; what follows is what it found before it stopped. "
            "This model does not meet 1 of its 2 requirements: metric 0 at least 0.80.",
        ),
    ],
)
def test_sentence(verdict: Verdict, code: int, statuses: tuple[Status, ...], sentence: str) -> None:
    audit = sample_audit(verdict=verdict, exit_code=code, findings=gates(*statuses))
    assert verdict_sentence(audit) == sentence


def test_a_verdict_of_pass_is_never_claimed_without_gates() -> None:
    assert "meets" not in verdict_sentence(sample_audit(verdict=Verdict.PASS, exit_code=0, findings=()))


def test_many_failures_are_counted() -> None:
    audit = sample_audit(findings=gates(*[F] * 12))
    assert "does not meet 12 of its 12" in verdict_sentence(audit)
    assert "and 9 more" in verdict_sentence(audit)


def test_order_of_the_worst() -> None:
    found = worst(sample_audit())
    order = [Status.FAIL, Status.ERROR, Status.INCONCLUSIVE, Status.WARN]
    ranks = [order.index(f.status) for f in found]
    assert ranks == sorted(ranks)
    assert {f.status for f in found} == set(order)


def test_failures_farthest_beyond_their_bound_come_first() -> None:
    near, far = (
        gap(name, "equalized_odds_difference", ("a", "b"), ("a", "b"), gate=Bounds(max=0.1), value=v, interval=(v, v),
            status=F)
        for name, v in (("sex", 0.11), ("race", 0.5))
    )  # fmt: skip
    low = finding(
        "performance.summary", "accuracy", Scope(), gate=Bounds(min=0.9), value=0.1, interval=(0.1, 0.1), status=F
    )
    assert worst(sample_audit(findings=(near, low, far))) == [far, low, near]


def test_a_warning_that_a_gate_names_already_is_told_once() -> None:
    audit = sample_audit()
    told = [f for f in worst(audit) if f.metric == "demographic_parity_difference" and f.scope.attribute == "sex"]
    assert [f.status for f in told] == [Status.FAIL]
    alone = sample_audit(findings=[f for f in audit.findings if f.gate is None])
    assert Status.WARN in {f.status for f in worst(alone) if f.metric == "demographic_parity_difference"}

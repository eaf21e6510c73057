"""What holds for every audit, whatever it was given: read off the audit alone, apart from the code that judged it."""

from __future__ import annotations

import json
import math
from typing import NoReturn

from auditkit.core.audit import Audit
from auditkit.core.finding import Finding
from auditkit.core.types import Status, Verdict

_VERDICTS = {
    Verdict.PASS: {0},
    Verdict.FAIL: {1},
    Verdict.INCONCLUSIVE: {5},
    Verdict.ERROR: {5, 3},
    Verdict.UNJUDGED: {0},
}


def assert_sound(audit: Audit, *, forgiving: bool = False) -> None:
    """Raise `AssertionError` where the audit says something that no audit may say.

    `forgiving`: the audit was made with `--allow-inconclusive`.
    """
    codes = _VERDICTS[audit.verdict] | ({0} if forgiving and audit.verdict is Verdict.INCONCLUSIVE else set())
    assert audit.exit_code in codes, (audit.verdict, audit.exit_code)
    for finding in audit.findings:
        _assert_finding(finding)
    statuses = {finding.status for finding in audit.gated}
    for status, verdict in ((Status.FAIL, Verdict.FAIL), (Status.ERROR, Verdict.ERROR)):
        if audit.verdict is verdict and audit.exit_code != 3:
            assert status in statuses, audit.verdict
    if audit.verdict is Verdict.PASS:
        assert statuses == {Status.PASS}, statuses
    if audit.exit_code == 0 and not forgiving:
        assert statuses <= {Status.PASS}, statuses
    text = audit.to_json()
    json.loads(text, parse_constant=_no_number)
    assert Audit.from_json(text) == audit, "audit.json does not read back as it was written"


def _no_number(name: str) -> NoReturn:
    raise AssertionError(f"{name} in audit.json")


def _assert_finding(finding: Finding) -> None:
    where = f"{finding.check} {finding.metric} {finding.scope}"
    assert finding.title.strip(), where
    if finding.value is None:
        assert finding.status is not Status.PASS, where
        assert finding.reason, f"no value and no reason: {where}"
        return
    assert math.isfinite(finding.value), where
    if finding.interval is not None:
        low, high = finding.interval
        assert low <= finding.value <= high, f"{where}: {finding.value} is not in {finding.interval}"
        if finding.sampled:
            assert low < high, f"{where}: an interval from sampled rows without width: {finding.interval}"
    if finding.status is Status.PASS:
        _assert_pass(finding, where)


def _assert_pass(finding: Finding, where: str) -> None:
    assert finding.gate is not None, f"a pass without a gate: {where}"
    assert finding.value is not None
    assert finding.sufficient, f"a pass on too few rows: {where}"
    assert finding.interval is not None or not finding.sampled, f"a pass without an interval: {where}"
    low, high = finding.interval or (finding.value, finding.value)
    bounds = finding.gate
    assert bounds.max is not None or bounds.min is not None, where
    assert bounds.max is None or high <= bounds.max, where
    assert bounds.min is None or low >= bounds.min, where

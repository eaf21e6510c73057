"""Tables of predictions to judge, drawn by Hypothesis, and the audit of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from auditkit.core.audit import Audit
from auditkit.core.finding import Finding
from auditkit.core.progress import SilentProgress
from auditkit.pipeline.audit import perform
from auditkit.pipeline.gate_file import Bound, GateRequest, prepare_gate
from auditkit.pipeline.prepared import Clock
from tests.soundness import assert_sound

BINARY = (
    Bound("--max", "equalized_odds_difference", None, 0.2),
    Bound("--min", "demographic_parity_ratio", "sex×race", 0.5),
    Bound("--min", "accuracy", None, 0.7),
    Bound("--max", "roc_auc_difference", "sex", 0.3),
    Bound("--min", "f1", None, 0.5),
)
REGRESSION = (
    Bound("--max", "mean_absolute_error", None, 1.0),
    Bound("--max", "mean_absolute_error_difference", "sex", 0.6),
    Bound("--min", "r2", None, 0.1),
)


@dataclass(frozen=True)
class Asked:
    """A table and what is asked of it."""

    frame: pd.DataFrame
    request: GateRequest

    def audit(self) -> Audit:
        """The whole way of `auditkit gate`; what comes out is sound."""
        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        audit = perform(prepare_gate(None, table, self.request, "t", SilentProgress()), Clock())
        assert audit.exit_code != 3, [f.reason for f in audit.findings if f.gate is None and f.status.value == "error"]
        assert_sound(audit)
        return audit

    def asking(self, **fields: Any) -> Asked:
        """The same table, asked otherwise."""
        return replace(self, request=replace(self.request, **fields))

    def of(self, frame: pd.DataFrame) -> Asked:
        """The same of another table."""
        return replace(self, frame=frame)


def _frame(seed: int, rows: int, skew: float, kind: str) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sex = rng.choice(np.array(["f", "m", None], dtype=object), rows, p=[0.5 - skew / 2, 0.45 + skew / 2, 0.05])
    race = rng.choice(np.array(["a", "b", "d"], dtype=object), rows, p=[0.6, 0.3, 0.1])
    shared = {"sex": sex, "race": race, "w": rng.choice([0.5, 1.0, 2.0], rows), "c": rng.integers(0, rows, rows)}
    if kind == "regression":
        y = rng.normal(0, 2, rows)
        return pd.DataFrame({"y": y, "p": y + rng.normal(0.2 * (sex == "f"), 0.5 + skew), **shared})
    y = rng.random(rows) < 0.4 + 0.2 * (sex == "m")
    score = np.clip(0.3 + 0.4 * y + rng.normal(0, 0.1 + skew / 3, rows), 0, 1).round(3)
    decided = np.where(score >= 0.5, "yes", "no")
    return pd.DataFrame({"y": np.where(y, "yes", "no"), "p": decided, "s": score, **shared})


@st.composite
def asked(
    draw: st.DrawFn, kinds: tuple[str, ...] = ("binary", "regression"), sizes: tuple[int, ...] = (12, 30, 60, 160)
) -> Asked:
    """A table of so many rows, with weights, with clusters, or with neither."""
    kind = draw(st.sampled_from(kinds))
    rows, skew = draw(st.sampled_from(sizes)), draw(st.sampled_from([0.0, 0.4, 0.8]))
    frame = _frame(draw(st.integers(0, 2**20)), rows, skew, kind)
    design = draw(st.sampled_from([{}, {}, {"weight": "w"}, {"cluster": "c"}, {"weight": "w", "cluster": "c"}]))
    request = GateRequest("y", "p", sensitive=("sex", "race"), bounds=REGRESSION)
    if kind == "binary":
        request = replace(request, score="s", positive="yes", bounds=BINARY)
    return Asked(frame, replace(request, **design))


Numbers = tuple[str, Any, Any, Any, Any, Any]


def numbers(audit: Audit, names: Mapping[str, str] | None = None) -> dict[Any, Numbers]:
    """What was measured and judged, by what it is about; `names` are new names of groups and columns."""
    found: dict[Any, Numbers] = {}
    for f in audit.findings:
        key = _place(f, names or {})
        assert key not in found, f"two findings about one thing: {key}"
        found[key] = (f.status.value, f.value, f.interval, f.sufficient, f.n, f.method)
    return found


def _place(f: Finding, names: Mapping[str, str]) -> Any:
    """What a finding is about. Which two groups a gap is between is left out: of equals, any may be named."""

    def told(text: str | None) -> Any:
        return None if text is None else tuple(sorted(names.get(part, part) for part in text.split("×")))

    scope = f.scope
    groups = None if scope.groups is None or scope.compared is not None else tuple(map(told, scope.groups))
    compared = None if scope.compared is None else frozenset(map(told, scope.compared))
    gate = None if f.gate is None else f.gate.model_dump_json()
    return f.check, f.metric, gate, told(scope.attribute), groups, compared, told(scope.class_), scope.split


#: An interval from random draws moves by so much of its width when the cells that are drawn stand in another order.
_DRAWN = 0.03


def assert_same(found: dict[Any, Numbers], expected: dict[Any, Numbers], *, rows: bool = True) -> None:
    """The same findings with the same numbers, but for the last bits of sums; without `rows`, however many they are."""
    assert set(found) == set(expected), f"only one of them has {sorted(map(str, set(found) ^ set(expected)))[:6]}"
    for key, (status, value, interval, sufficient, n, method) in expected.items():
        other = found[key]
        assert _close(other[1], value), f"{key}: {other[1]} instead of {value}"
        assert (other[2] is None) == (interval is None), key
        drawn = _DRAWN * (interval[1] - interval[0]) if interval is not None and method and "bootstrap" in method else 0
        for a, b in zip(other[2] or (), interval or (), strict=True):
            assert _close(a, b) or abs(a - b) <= drawn, f"{key}: {other[2]} instead of {interval}, {method}"
        if rows:
            assert (other[0], other[3], other[4]) == (status, sufficient, n), (
                f"{key}: {other} instead of {expected[key]}"
            )


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b))

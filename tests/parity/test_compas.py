"""The published COMPAS tables (Larson, Mattu, Kirchner and Angwin 2016): by the library from counts, and by `gate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from auditkit.measures import (
    Design,
    GapRule,
    Tally,
    adverse_impact,
    binary_metrics,
    bootstrap_groups,
    by_group,
    error_odds,
    gap,
    gap_between,
    groups_of,
    rate_of,
)
from tests.conftest import Answer

Cli = Callable[..., Answer]
#: TN, FP, FN, TP.
TABLES = {"Black": (990, 805, 532, 1369), "white": (1139, 349, 461, 505)}
COUNT = np.array([n for table in TABLES.values() for n in table])
RACE = groups_of(np.repeat(list(TABLES), 4), "race")
ACTUAL, CHOSEN = np.tile([0, 0, 1, 1], 2).astype(bool), np.tile([0, 1, 0, 1], 2).astype(bool)
PEOPLE = Design(count=COUNT)
#: What was published, in percent.
PUBLISHED = {"false_positive_rate": (44.85, 23.45), "false_negative_rate": (27.99, 47.72)}
RATES = {
    "false_positive_rate": rate_of(CHOSEN, ~ACTUAL, "false_positive_rate"),
    "false_negative_rate": rate_of(~CHOSEN, ACTUAL, "false_negative_rate"),
}


def newcombe(k, n, m, o):
    """Newcombe (1998), method 10: k/n − m/o from two plain Wilson intervals, as his paper writes it."""
    z, ends = norm.ppf(0.975), []
    for hits, rows in ((k, n), (m, o)):
        p = hits / rows
        half = z * np.sqrt(p * (1 - p) / rows + z**2 / (4 * rows**2))
        ends.append(
            (p, (p + z**2 / (2 * rows) - half) / (1 + z**2 / rows), (p + z**2 / (2 * rows) + half) / (1 + z**2 / rows))
        )
    (p, low, high), (q, below, above) = ends
    return p - q - np.hypot(p - low, above - q), p - q + np.hypot(high - p, q - below)


@pytest.mark.parametrize("rate", list(PUBLISHED))
def test_the_published_rates_from_eight_counted_rows(rate):
    found = by_group(RATES[rate], RACE, PEOPLE)
    assert [round(100 * one.value, 2) for one in found] == list(PUBLISHED[rate])
    rule = GapRule(f"{rate}_difference", (rate,), "difference")
    both = gap(rule, [RATES[rate]], RACE, PEOPLE)
    black, white = TABLES["Black"], TABLES["white"]
    hit, other = (1, 0) if rate == "false_positive_rate" else (2, 3)
    parts = [(t[hit], t[hit] + t[other]) for t in ((black, white) if hit == 1 else (white, black))]
    assert both.estimate.value == pytest.approx(parts[0][0] / parts[0][1] - parts[1][0] / parts[1][1], abs=1e-12)
    assert both.estimate.interval == pytest.approx(newcombe(*parts[0], *parts[1]), abs=1e-9)
    assert both.estimate.n == sum(n for _, n in parts)


def test_the_same_from_chunks_that_add_up_and_their_bootstrap():
    chunks = [
        Tally.of(RACE.where(k), ACTUAL[k].astype(int), CHOSEN[k].astype(int), ("no", "yes"), COUNT[k])
        for k in (np.arange(8) % 3 == r for r in range(3))
    ]
    tally = chunks[2] + chunks[0] + chunks[1]
    assert (tally.groups, tally.classes) == (("Black", "white"), ("no", "yes"))
    counts = tally.counts[:, :2, :2]
    assert counts.ravel().tolist() == COUNT.tolist()
    found = {one.name: one for one in bootstrap_groups(counts, binary_metrics(), tally.groups)}
    for rate, published in PUBLISHED.items():
        assert [round(100 * one.value, 2) for one in found[rate].by_group] == list(published)
        for one, two in zip(found[rate].by_group, by_group(RATES[rate], RACE, PEOPLE), strict=True):
            assert one.interval == pytest.approx(two.interval, abs=0.003)


def test_treatment_and_impact():
    def odds(confidence):
        wrong = [(~CHOSEN & ACTUAL & (RACE.codes == g), CHOSEN & ~ACTUAL & (RACE.codes == g)) for g in (0, 1)]
        return [error_odds(*pair, PEOPLE, confidence) for pair in wrong]

    found = gap_between("ratio", RACE.labels, odds, share=False)
    assert found.estimate.value == pytest.approx((532 / 805) / (461 / 349))
    assert found.estimate.high < 1
    low_risk = adverse_impact(rate_of(~CHOSEN, name="selection_rate"), RACE, PEOPLE)
    assert low_risk.reference == "white"
    black = low_risk.groups[0]
    assert black.ratio.value == pytest.approx((1522 / 3696) / (1600 / 2454))
    assert black.below_four_fifths
    assert black.deviations > 10


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """One line for each of the 6,150 people."""
    label = np.array(["no", "yes"])
    frame = pd.DataFrame(
        {
            "race": np.repeat(np.array(RACE.labels)[RACE.codes], COUNT),
            "reoffended": np.repeat(label[ACTUAL.astype(int)], COUNT),
            "predicted": np.repeat(label[CHOSEN.astype(int)], COUNT),
        }
    )
    path = tmp_path_factory.mktemp("compas") / "people.csv"
    frame.sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


def gated(auditkit: Cli, people: Path, out: Path, *bounds: str) -> tuple[int, dict[str, Any]]:
    columns = ("--target", "reoffended", "--prediction", "predicted", "--positive", "yes", "--sensitive", "race")
    answer = auditkit("gate", people, *columns, "--out", out, "--format", "json", *bounds)
    return answer.code, json.loads((out / "audit.json").read_text())


def test_gate_on_a_csv_of_them(auditkit: Cli, people: Path, tmp_path: Path) -> None:
    code, audit = gated(auditkit, people, tmp_path / "run", "--max", "false_positive_rate_difference=0.10")
    assert code == audit["exit_code"] == 1
    for rate, published in PUBLISHED.items():
        of = {
            f["scope"]["groups"][0]: f
            for f in audit["findings"]
            if f["metric"] == rate and f["check"] == "bias.groups" and f["scope"]["groups"]
        }
        assert [round(100 * of[race]["value"], 2) for race in TABLES] == list(published)
    gate = next(f for f in audit["findings"] if f["gate"])
    assert gate["status"] == "fail"
    assert gate["scope"]["groups"] == ["Black", "white"]
    assert gate["n"] == 1795 + 1488
    assert gate["interval"] == pytest.approx(newcombe(805, 1795, 349, 1488), abs=1e-9)


def test_a_bound_that_they_keep(auditkit: Cli, people: Path, tmp_path: Path) -> None:
    code, audit = gated(
        auditkit, people, tmp_path / "run", "--max", "false_negative_rate_difference=0.30", "--min", "accuracy=0.6"
    )
    assert code == 0
    assert audit["verdict"] == "pass"

"""The plan's form: every problem at once, with its line, its key and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditkit.core.errors import PlanError
from auditkit.pipeline.load import load_plan

GOOD = """\
name: demo
model: {kind: predictions, prediction: p}
data:
  splits: {test: test.csv}
  target: y
  sensitive: [sex, race]
gates:
  - {check: bias.groups, metric: equalized_odds_difference, by: sex, max: 0.10}
  - {check: bias.groups, metric: selection_rate_difference, by: "sex×race", max: 0.10}
  - {check: bias.groups, metric: selection_rate_difference, by: [sex, race], min: 0.01}
run: {budget: 30 minutes}
"""


def _load(tmp_path: Path, text: str, **overrides: object) -> object:
    data = tmp_path / "test.csv"
    if not data.exists():
        data.write_text("y,p,sex,race\n1,1,F,a\n0,1,M,b\n", encoding="utf-8")
    path = tmp_path / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    return load_plan(path, overrides)


def _problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(PlanError) as caught:
        _load(tmp_path, text)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_a_good_plan(tmp_path: Path) -> None:
    loaded = _load(tmp_path, GOOD, seed=7)
    plan = loaded.plan  # type: ignore[attr-defined]
    assert plan.gate_list[0].by == ("sex",)
    assert plan.gate_list[1].by == plan.gate_list[2].by == ("sex", "race")
    assert plan.run.budget == 1800
    assert plan.run.seed == 7
    assert plan.data.splits["test"] == (tmp_path / "test.csv").resolve()


def test_every_problem_at_once_with_lines(tmp_path: Path) -> None:
    text = (
        GOOD.replace("name: demo", "nam: demo")
        .replace("target: y", "taget: y")
        .replace(
            'max: 0.10}\n  - {check: bias.groups, metric: selection_rate_difference, by: "sex',
            'max: 10%}\n  - {check: bias.groups, metric: selection_rate_difference, by: "sex',
        )
    )
    assert _problems(tmp_path, text) == [
        "line 1: name: is required; did you mean 'nam'?",
        "line 1: nam: unknown key; did you mean 'name'?",
        "line 5: data.taget: unknown key; did you mean 'target'?",
        "line 8: gates[0].max: expected a number, found '10%'; write 0.1",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "max: 0.10}\n  - {check: bias.groups, metric: selection_rate_difference, by: [",
            "max: .nan}\n  - {check: bias.groups, metric: selection_rate_difference, by: [",
            "must be a finite number",
        ),
        ("min: 0.01}", "min: .inf}", "must be a finite number"),
        ("min: 0.01}", "min: true}", "expected a number, found True"),
        ("min: 0.01}", "min: '0.1'}", "expected a number, found '0.1'"),
        ("min: 0.01}", "minn: 0}", "unknown key; did you mean 'min'?"),
        (", min: 0.01}", "}", "a gate needs `max` or `min`"),
        ("min: 0.01}", "min: 1, max: 0}", "nothing could pass"),
        ("kind: predictions", "kind: sklaern", "expected 'torch'"),
        ("30 minutes", "soon", "expected a duration"),
        ("sensitive: [sex, race]", "sensitive: sex", "expected a list"),
    ],
)
def test_one_problem(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    problems = _problems(tmp_path, GOOD.replace(old, new))
    assert any(expected in problem for problem in problems), problems
    assert len(problems) == 1, problems


@pytest.mark.parametrize(
    ("written", "seconds"), [("30 minutes", 1800), ("90 s", 90), ("1.5 hours", 5400), ("1 minute", 60), ("2h", 7200)]
)
def test_durations(tmp_path: Path, written: str, seconds: float) -> None:
    loaded = _load(tmp_path, GOOD.replace("30 minutes", written))
    assert loaded.plan.run.budget == seconds  # type: ignore[attr-defined]


@pytest.mark.parametrize("written", ["500 ms", "10 hs", "-1 s", "5 days"])
def test_no_durations(tmp_path: Path, written: str) -> None:
    assert "expected a duration" in _problems(tmp_path, GOOD.replace("30 minutes", written))[0]


@pytest.mark.parametrize("gates", ["gates: []", "gates:", "gates: no", "gates: false", ""])
def test_gates_must_be_a_list_or_none(tmp_path: Path, gates: str) -> None:
    head = GOOD.split("gates:")[0]
    problems = _problems(tmp_path, f"{head}{gates}\n")
    assert len(problems) == 1
    assert "gates" in problems[0]


def test_gates_none(tmp_path: Path) -> None:
    head = GOOD.split("gates:")[0]
    loaded = _load(tmp_path, f"{head}gates: none\n")
    assert loaded.plan.gate_list == ()  # type: ignore[attr-defined]


def test_columns_are_named_beside_problems_of_form(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("y,p,sex,rase\n1,1,F,a\n0,1,M,b\n", encoding="utf-8")
    problems = _problems(tmp_path, GOOD.replace("name: demo", "nam: demo"))
    assert any("data.sensitive[1]" in p and "did you mean 'rase'" in p and p.startswith("line 6") for p in problems)


def test_a_gate_is_held_back_only_by_what_it_rests_on(tmp_path: Path) -> None:
    misspelt = GOOD.replace(
        "gates:\n", "gates:\n  - {check: bias.groups, metric: unlabelled_rate_difference, by: sx, max: 0.1}\n"
    )
    found = _problems(tmp_path, misspelt.replace("  target: y\n", "  target: y\n  wieght: w\n"))
    assert any("wieght" in problem for problem in found)
    assert any("gates[0].by" in problem and "'sx'" in problem for problem in found)
    unknown = _problems(tmp_path, misspelt.replace("sensitive: [sex, race]", "sensitive: 3"))
    assert not any(".by" in problem for problem in unknown)

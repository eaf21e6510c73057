"""Row: plan: unknown or duplicate key, alias bomb, `no` read as False, NaN or infinite threshold, percent sign, wrong
type, import strings, empty `gates` → exit 2, with line and key, all problems at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.hostile.table.project import Cli, frame

PLAN = """\
name: table
model: {kind: predictions, prediction: p}
data:
  splits: {test: d.csv}
  target: y
  positive: 1
  sensitive: [sex]
gates:
  - {check: performance.summary, metric: accuracy, min: 0.5}
"""
GATE = "  - {check: performance.summary, metric: accuracy, min: 0.5}\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    frame(200).to_csv(tmp_path / "d.csv", index=False)
    return tmp_path


def edited(old: str, new: str) -> str:
    assert PLAN.count(old) == 1
    return PLAN.replace(old, new)


def bomb() -> str:
    """Nine levels of nine aliases: half a billion values from a few hundred bytes."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    return PLAN + "\n".join(levels) + "\n"


#: What the plan says, and what the message has to hold: the line, the key, and what to do.
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "unknown key": (edited("  positive: 1", "  positve: 1"), ("line 6: data.positve: unknown key; did you mean",)),
    "unknown section": (PLAN + "gate: []\n", ("line 10: gate: unknown key; did you mean 'gates'?",)),
    "unknown key of a gate": (edited("min: 0.5", "mim: 0.5"), ("line 9: gates[0].mim: unknown key; did you mean",)),
    "duplicate key": (PLAN + "name: b\n", ("line 10: name: is given twice (first on line 1)",)),
    "duplicate key within": (edited("target: y", "target: y\n  target: p"), ("line 6: data.target: is given twice",)),
    "alias": (edited("target: y", "target: &t y\n  id: *t"), ("line 6: ", "aliases (*t) are not allowed")),
    "alias bomb": (bomb(), ("aliases (*a0) are not allowed; write the value out",)),
    "merge key": (PLAN + "a: &x {b: 1}\nc: {<<: *x}\n", ("line 11: ", "aliases (*x) are not allowed")),
    "gates: no": (PLAN.replace(f"gates:\n{GATE}", "gates: no\n"), ("line 8: gates: ", "none")),
    "a column named no": (edited("target: y", "target: no"), ("line 5: data.target: no column 'no'",)),
    "a check that is no": (PLAN + "checks: {bias: no}\n", ("line 10: checks.bias: ", "off")),
    "NaN": (edited("0.5", ".nan"), ("line 9: gates[0].min: must be a finite number",)),
    "infinity": (edited("0.5", ".inf"), ("line 9: gates[0].min: must be a finite number",)),
    "minus infinity": (edited("0.5", "-.inf"), ("line 9: gates[0].min: must be a finite number",)),
    "beyond floating point": (edited("0.5", "1e999"), ("line 9: gates[0].min: must be a finite number",)),
    "percent": (edited("0.5", "50%"), ("line 9: gates[0].min: expected a number, found '50%'; write 0.5",)),
    "a number as text": (edited("0.5", "'0.5'"), ("line 9: gates[0].min: expected a number, found '0.5'",)),
    "true as a number": (edited("0.5", "true"), ("line 9: gates[0].min: expected a number, found True",)),
    "a list as a name": (edited("name: table", "name: [table]"), ("line 1: name: ",)),
    "a text as a list": (edited("[sex]", "sex"), ("line 7: data.sensitive: expected a list",)),
    "a list as the model": (edited("{kind: predictions, prediction: p}", "[p]"), ("line 2: model: ",)),
    "a kind that is none": (edited("kind: predictions", "kind: pickle"), ("line 2: model.kind: expected ",)),
    "an import string": (edited("kind: predictions", "kind: 'os:system'"), ("line 2: model.kind: expected ",)),
    "an import string as a check": (PLAN + "checks: {'os.system': {}}\n", ("line 10: checks.os.system: no such",)),
    "a tag that runs": (
        edited("name: table", "name: !!python/object/apply:os.system ['touch ran']"),
        ("line 1: name: ", "python/object/apply"),
    ),
    "a tag of its own": (edited("name: table", "name: !run {a: 1}"), ("line 1: name: ",)),
    "an anchor to itself": (PLAN + "a: &a [*a]\n", ("line 10: ", "aliases")),
    "empty gates": (PLAN.replace(f"gates:\n{GATE}", "gates: []\n"), ("line 8: gates: ", "none")),
    "gates of nothing": (PLAN.replace(GATE, ""), ("line 8: gates: ", "none")),
    "no gates": (PLAN.replace(f"gates:\n{GATE}", ""), ("gates: is required",)),
    "a gate without a bound": (edited(", min: 0.5", ""), ("line 9: gates[0]: a gate needs `max` or `min`",)),
    "a gate that nothing passes": (edited("min: 0.5", "min: 0.5, max: 0.1"), ("line 9: gates[0]: ", "could pass")),
    "a gate that everything passes": (edited("min: 0.5", "min: 0"), ("line 9: gates[0].min",)),
    "no YAML": (PLAN + "a: [1\n", ("not valid YAML",)),
    "deep": (PLAN + "a: " + "[" * 5_000, ("nested too deeply",)),
    "no mapping": ("- a\n", ("expected keys such as `name:` and `model:`, found a list",)),
    "nothing": ("", ("the plan is empty",)),
    "two documents": (PLAN + "---\nname: b\n", ("not valid YAML",)),
    "a control character": (edited("name: table", 'name: "a\x07b"'), ("not valid YAML",)),
    "a number of 10,000 digits": (edited("0.5", "9" * 10_000), ("line 9: gates[0].min: ",)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_told_with_line_and_key(auditkit: Cli, here: Path, name: str) -> None:
    text, words = CASES[name]
    plan = here / "plan.yaml"
    plan.write_text(text, encoding="utf-8")
    answer = auditkit("run", plan, "--out", here / "out")
    assert answer.code == 2, answer.text
    assert answer.err.startswith(f"auditkit: {plan}")
    for word in words:
        assert word in answer.err, answer.err
    assert not (here / "out").exists()
    assert not (here / "ran").exists()


def test_the_plan_itself_is_right(auditkit: Cli, here: Path) -> None:
    (here / "plan.yaml").write_text(PLAN)
    assert auditkit("run", here / "plan.yaml", "--out", here / "out").code == 0


def test_all_problems_at_once(auditkit: Cli, here: Path) -> None:
    text = edited("name: table", "nam: table").replace("positive: 1", "positve: 1").replace("0.5", "50%")
    (here / "plan.yaml").write_text(text)
    answer = auditkit("run", here / "plan.yaml")
    assert answer.code == 2
    for line, where in ((1, "nam"), (6, "data.positve"), (9, "gates[0].min")):
        assert f"line {line}: {where}: " in answer.err
    assert "4 problems" in answer.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("latin-1", b"name: \xe4\n", "is not UTF-8 text"),
        ("huge", b"#" * 2_000_000, "is larger than 1,000,000 bytes"),
        ("NUL", b"name: a\0b\n", "not valid YAML"),
    ],
)
def test_files_that_are_no_plan(auditkit: Cli, here: Path, name: str, content: bytes, message: str) -> None:
    (here / "plan.yaml").write_bytes(content)
    answer = auditkit("run", here / "plan.yaml")
    assert answer.code == 2, answer.text
    assert message in answer.err


def test_plans_that_are_no_files(auditkit: Cli, here: Path) -> None:
    os.mkfifo(here / "fifo.yaml")
    for path, message in (
        (here / "fifo.yaml", "is no regular file"),
        (here / "nothing.yaml", "does not exist"),
        (here, "is a directory"),
    ):
        answer = auditkit("run", path)
        assert answer.code == 2
        assert message in answer.err


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ("accuracy=nan", "expected METRIC=NUMBER"),
        ("accuracy=inf", "expected METRIC=NUMBER"),
        ("accuracy=50%", "write 0.5"),
        ("accuracy", "expected METRIC=NUMBER"),
        ("acuracy=0.5", "did you mean 'accuracy'?"),
        ("__import__('os').system('touch ran')=1", "no metric"),
    ],
)
def test_bounds_on_the_command_line(auditkit: Cli, here: Path, bound: str, message: str) -> None:
    answer = auditkit("gate", here / "d.csv", "--target", "y", "--prediction", "p", "--min", bound)
    assert answer.code == 2, answer.text
    assert message in answer.err

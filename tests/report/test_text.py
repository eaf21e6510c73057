import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.report.plan_text import plan_text
from auditkit.report.text import clean, join, line, markdown, terminal


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("a\u202eb", "a[U+202E]b"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        ("bad\ud800", "bad\ufffd"),
        ("bell\x07\x00\x9b", "bell"),
        ("two\nlines", "two\nlines"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("Ünï×", "Ünï×"),
        ("tag\U000e0041", "tag[U+E0041]"),
    ],
)
def test_clean(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text())
def test_a_line_has_no_controls(raw: str) -> None:
    shown = terminal(raw)
    assert all(c.isprintable() or c in "\u200c\u200d" or c.isspace() for c in shown)
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert "::" not in shown
    assert "##[" not in shown


def test_long_text_says_how_long_it_was() -> None:
    assert line("y" * 5000, 10) == "yyyyyyyyyy… (5,000 characters)"


def test_markdown_shows_text_as_it_is() -> None:
    shown = markdown("a|b `c` <img src=x> [x](http://e) @you ::error:: *x*\nnext")
    for raw in ("<", "`c`", "[x](", "@you", "::", "\n", "http://", " *x*"):
        assert raw not in shown
    assert "\\|" in shown


@pytest.mark.parametrize(("items", "shown"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"),
                                              (["a", "b", "c", "d"], "a, b, c and 1 more")])  # fmt: skip
def test_join(items: list[str], shown: str) -> None:
    assert join(items) == shown


def test_plan_text_is_yaml_of_the_plan() -> None:
    from ruamel.yaml import YAML

    plan = {
        "name": "yes",
        "data": {"splits": {"test": "a b.parquet"}, "positive": ">50K", "sensitive": ["sex", "no", "1"]},
        "gates": [{"check": "bias.groups", "max": 0.1, "slice": [{"column": "age", "op": ">=", "value": 40}]}],
        "odd": {"# not: a comment": "x: y", "empty": {}, "quote": "\"'", "flag": True, "line": "a\nb"},
        "run": {"budget": 1800.0},
    }
    assert YAML(typ="safe").load(plan_text(plan)) == plan

from __future__ import annotations

import pytest

from auditkit.core.messages import fixed, number, percent, points, render, use_catalogue

TEMPLATES = {"found": "{count} rows of {split}", "none": "nothing"}


def test_texts_can_be_those_of_another_language_and_come_back():
    try:
        use_catalogue({"data.x.found": "{split}: {count} Zeilen"})
        assert render("data.x", "found", TEMPLATES, count=3, split="test") == "test: 3 Zeilen"
        assert render("data.x", "none", TEMPLATES) == "nothing", "what is not translated stays"
        assert render("data.y", "found", TEMPLATES, count=3, split="test") == "3 rows of test"
    finally:
        use_catalogue({})
    assert render("data.x", "found", TEMPLATES, count=3, split="test") == "3 rows of test"


@pytest.mark.parametrize(("key", "parameters"), [("lost", {}), ("found", {"count": 3})])
def test_an_unknown_message_or_parameter_is_a_bug_and_says_so(key, parameters):
    with pytest.raises(KeyError):
        render("data.x", key, TEMPLATES, **parameters)


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0.0%"), (0.1234, "12.3%"), (-0.5, "-50.0%"), (0.0005, "0.050%"), (1.0, "100.0%")]
)
def test_percent(value, said):
    assert percent(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0"), (0.12345, "0.123"), (999.4, "999"), (12345.6, "12,346"), (1e-5, "1.00e-05")]
)
def test_number(value, said):
    assert number(value) == said


@pytest.mark.parametrize("value", [1e15, 1e200, -1.7e308])
def test_numbers_whose_digits_no_one_could_read_have_an_exponent(value):
    for said in (number(value), percent(value), points(value), fixed(value, 2)):
        assert len(said) < 12
        assert "e+" in said

"""Plan text: YAML 1.2, one line for every key, and nothing that a plan never needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditkit.core.errors import PlanError
from auditkit.pipeline.document import dotted, parse_document, read_document, undotted


def test_values_and_lines() -> None:
    document = parse_document("name: a\ngates:\n  - {check: x, max: 0.1}\n  - check: y\n    min: 2\n")
    assert document.value == {"name": "a", "gates": [{"check": "x", "max": 0.1}, {"check": "y", "min": 2}]}
    assert document.line(("gates", 0, "max")) == 3
    assert document.line(("gates", 1, "min")) == 5
    assert document.line(("gates", 1, "unknown")) == 4


def test_yaml_1_2_words_are_text() -> None:
    document = parse_document("a: no\nb: off\nc: yes\nd: on\ne: true\nf: 2026-01-01\ng: 1e-3\nh: 0o17\n")
    assert document.value == {
        "a": "no",
        "b": "off",
        "c": "yes",
        "d": "on",
        "e": True,
        "f": "2026-01-01",
        "g": 0.001,
        "h": 15,
    }


def test_duplicate_keys_name_both_lines() -> None:
    document = parse_document("name: a\nname: b\n")
    assert [str(p) for p in document.problems] == ["line 2: name: is given twice (first on line 1)"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "aliases"),
        ("a: [1\n", "not valid YAML"),
        ("- 1\n- 2\n", "found a list"),
        ("", "empty"),
        ("a: " + "[" * 200 + "]" * 200, "nested too deeply"),
        ("a: {b: 1}}\n", "not valid YAML"),
    ],
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        parse_document(text)


def test_tags_that_could_build_objects_are_refused() -> None:
    text = (
        "a: !!python/object/apply:os.system ['x']\nb: !!binary aGk=\nc: !!python/tuple [x]\nd: !x {y: 1}\ne: !!str 1\n"
    )
    document = parse_document(text)
    assert [p.where for p in document.problems] == ["a", "b", "c", "d"]
    assert document.value["e"] == "1"


def test_not_utf8_and_too_large(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"name: \xff\n")
    with pytest.raises(PlanError, match="not UTF-8"):
        read_document(bad)
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * 2_000_000)
    with pytest.raises(PlanError, match="larger than"):
        read_document(big)
    with pytest.raises(PlanError, match="is a directory"):
        read_document(tmp_path)


def test_places_as_text() -> None:
    place = ("gates", 2, "by")
    assert dotted(place) == "gates[2].by"
    assert undotted("gates[2].by") == place

"""The measures are a library that people call: every export is documented, and the worked examples run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

from auditkit import measures

FUNCTIONS = [name for name in measures.__all__ if inspect.isfunction(getattr(measures, name))]
#: Arguments that mean the same everywhere and are documented on the front page.
COMMON = {"design", "confidence", "rng", "replicates", "power", "first_design", "second_design", "min_group"}
ARRAY = re.compile(r"\b(Float|Int|Bool)Array\b|ArrayLike")
SHAPE = re.compile(r"\[[A-Za-z](, [A-Za-z])*\]")
YEAR = re.compile(r"\b(18|19|20)\d\d\b")
#: A range, a unit, or what the number counts.
UNIT = re.compile(
    r"0\.\.\d|−1\.\.1|≥ 0|at least 0|between 0|0 to 1|\[0, 1\]|\bunit\b|\brows?\b|\bratio\b|1 for\b|bool|\bp of\b"
)


def page(name: str) -> str:
    """The docstring of an export, and of all exports that it refers to."""
    told, texts = [name], []
    while told[len(texts) :]:
        texts.append(inspect.getdoc(getattr(measures, told[len(texts)])) or "")
        named = re.findall(r"`(?:\w+\.)?(\w+)`", texts[-1])
        told += [other for other in dict.fromkeys(named) if other in measures.__all__ and other not in told]
    return " ".join(texts)


def annotation(parameter: inspect.Parameter) -> str:
    return str(parameter.annotation)


@pytest.mark.parametrize("name", measures.__all__)
def test_every_export_says_what_it_is(name):
    own = getattr(measures, name)
    text = inspect.getdoc(own if callable(own) else type(own)) or ""
    assert len(text.split()) >= 4
    assert not text.startswith(f"{name}(")  # what a dataclass makes by itself


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_is_documented(name):
    parameters = inspect.signature(getattr(measures, name)).parameters
    text = page(name)
    missing = [p for p in parameters if p not in COMMON and not re.search(rf"\b{p}\b", text)]
    assert not missing, f"{name}() does not say what {missing} are"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arrays_have_shapes(name):
    parameters = inspect.signature(getattr(measures, name)).parameters.values()
    if any(ARRAY.search(annotation(p)) for p in parameters):
        assert SHAPE.search(page(name)), f"{name}() takes arrays of unknown shape"


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if "Estimate" in str(inspect.signature(getattr(measures, n)))])
def test_estimates_have_a_unit_and_a_source(name):
    assert UNIT.search(page(name)), f"{name}() does not say what range or unit its value has"
    assert YEAR.search(page(name)), f"{name}() does not say where its formula comes from"


@pytest.mark.parametrize("module", [m.name for m in pkgutil.iter_modules(measures.__path__)] + [""])
def test_worked_examples_run(module):
    found = importlib.import_module(f"auditkit.measures.{module}".rstrip("."))
    failed, tried = doctest.testmod(found, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
    if module in ("", "power", "power_means", "power_ratios"):
        assert tried > 0


def test_the_front_page_names_every_function():
    text = inspect.getdoc(measures) or ""
    helpers = {"benefits", "binary_metrics", "class_metrics", "clopper_pearson", "jeffreys", "mover_difference"}
    helpers |= {"mover_ratio", "wilson"}
    missing = [name for name in FUNCTIONS if name not in helpers and not re.search(rf"\b{name}\b", text)]
    assert not missing


def test_no_name_is_exported_twice_and_all_exist():
    assert len(set(measures.__all__)) == len(measures.__all__)
    assert all(hasattr(measures, name) for name in measures.__all__)

"""Texts as messages with an id and parameters, so that they can be checked, tested and translated as a whole."""

from __future__ import annotations

from collections.abc import Mapping

_catalogue: dict[str, str] = {}


def use_catalogue(messages: Mapping[str, str]) -> None:
    """Replace texts by those of another language, keyed `<check id>.<message id>`; an empty mapping goes back."""
    _catalogue.clear()
    _catalogue.update(messages)


def render(owner: str, key: str, templates: Mapping[str, str], **parameters: object) -> str:
    """The text of message `key` of `owner`, its parameters filled in.

    Templates are `str.format` strings. Raises `KeyError` for an unknown message or parameter: a bug of the caller.
    """
    template = _catalogue.get(f"{owner}.{key}", templates[key])
    return template.format(**parameters)


def percent(value: float) -> str:
    """A share as people read it: 12.3%, with more digits where it would round to nothing."""
    digits = 1 if abs(value) >= 0.001 or value == 0 else 3
    return f"{100 * value:.{digits}f}%"


def number(value: float) -> str:
    """A number with three significant digits, without an exponent where it can be read without one."""
    if value == 0:
        return "0"
    return f"{value:.3g}" if 1e-4 <= abs(value) < 1e3 else (f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.2e}")

"""Texts as messages with an id and parameters, so that they can be checked, tested and translated as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal

#: Smaller than this is what arithmetic on floats leaves of zero.
NOTHING = 1e-12
#: From here on no one can read the digits: an exponent takes their place.
_LARGE = Decimal("1e15")
#: Enough digits for the largest float.
_HALF_UP = Context(prec=400, rounding=ROUND_HALF_UP)
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


def fixed(value: float, places: int) -> str:
    """`value` with so many decimals and thousands separators: the one rounding of every text.

    Halves go away from zero, by the shortest decimal that stands for the float: 0.7425 is 0.743, and as a share 74.3%,
    where rounding the binary number would give one or the other. There is no negative zero.
    """
    return _text(Decimal(repr(float(value))), places)


def _text(exact: Decimal, places: int) -> str:
    if abs(exact) >= _LARGE:
        return f"{exact:.2e}"
    rounded = exact.quantize(Decimal(1).scaleb(-places), context=_HALF_UP)
    return f"{abs(rounded) if rounded == 0 else rounded:,f}"


def percent(value: float) -> str:
    """A share as people read it: 12.3%, with more digits where it would round to nothing."""
    digits = 1 if abs(value) >= 0.001 or abs(value) < NOTHING else 3
    return f"{points(value, digits)}%"


def points(value: float, places: int = 1) -> str:
    """A share, or a difference of two, times 100: 0.0745 is 7.5."""
    return _text(Decimal(repr(float(value))) * 100, places)


def number(value: float) -> str:
    """A number with three significant digits, without an exponent where it can be read without one."""
    if abs(value) < NOTHING:
        return "0"
    if abs(value) < 1e-4:
        return f"{value:.2e}"
    if abs(value) >= 1e3:
        return fixed(value, 0)
    shown = fixed(value, 2 - math.floor(math.log10(abs(value))))
    return shown.rstrip("0").rstrip(".") if "." in shown else shown

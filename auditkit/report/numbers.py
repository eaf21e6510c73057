"""Numbers as people read them: as many digits as the interval bears, never `0.10399999`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from auditkit.core.messages import NOTHING
from auditkit.core.messages import fixed as rounded

MOST_DECIMALS = 6


def count(value: int) -> str:
    """`16,281`."""
    return f"{value:,}"


def decimals(values: Iterable[float], *, bounds: Sequence[float] = ()) -> int:
    """How many decimals a value and its interval share.

    Three below 10 and fewer above; more where the interval is so narrow that its ends would look the same, or where
    rounding would move a number onto a bound that it does not equal.
    """
    known = [v for v in values if math.isfinite(v)]
    largest = max((abs(v) for v in known), default=0.0)
    places = 3 if largest < 10 else 2 if largest < 100 else 1 if largest < 1000 else 0
    if 0 < largest < 0.001:
        places = min(MOST_DECIMALS, 1 - math.floor(math.log10(largest)))
    distinct = sorted({*known, *bounds})
    gaps = [b - a for a, b in itertools.pairwise(distinct)]
    noise = 1e-9 * max(largest, 1e-9)
    while places < MOST_DECIMALS and any(noise < gap < 0.999 * 10**-places for gap in gaps):
        places += 1
    return places


def fixed(value: float, places: int) -> str:
    """`value` with so many decimals and thousands separators; no negative zero, an exponent only where 0 would lie."""
    if NOTHING <= abs(value) < 0.5 * 10**-MOST_DECIMALS:
        return f"{value:.1e}".replace("e-0", "e-").replace("-", "−", 1 if value < 0 else 0)
    return rounded(value, places).replace("-", "−")


def number(value: float) -> str:
    """One number on its own: whole numbers without decimals."""
    if float(value).is_integer() and abs(value) >= 2:
        return fixed(value, 0)
    return fixed(value, decimals([value]))


def bound(value: float) -> str:
    """A bound as the plan wrote it: `0.1`, at least two decimals below 1."""
    text = f"{value:,.10g}" if abs(value) >= 1e-6 else f"{value:g}"
    whole, dot, fraction = text.partition(".")
    full = f"{whole}.{fraction.ljust(2, '0')}" if dot else (f"{text}.00" if value in (0, 1) else text)
    return full.replace("-", "−")


def estimate(value: float, interval: tuple[float, float] | None, bounds: Sequence[float] = ()) -> tuple[str, str]:
    """The value and its interval as text, with the same decimals: `("0.104", "[0.081, 0.127]")`."""
    if interval is None:
        places = 0 if float(value).is_integer() else decimals([value], bounds=bounds)
        return fixed(value, places), ""
    if abs(value) < 1e-9 * max(map(abs, interval)):
        value = 0.0  # what arithmetic leaves of zero, seen beside its own interval
    places = decimals([value, *interval], bounds=bounds)
    return fixed(value, places), f"[{fixed(interval[0], places)}, {fixed(interval[1], places)}]"


def duration(seconds: float) -> str:
    """`0.8 s`, `42 s`, `3 min 12 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"

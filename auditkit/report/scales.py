"""Scales and ticks: from numbers to places in a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

#: Beyond these, arithmetic on floats overflows or loses all digits; what lies outside is drawn at the edge.
LARGEST = 1e300
TINY = 1e-300


@dataclass(frozen=True)
class Linear:
    """A linear scale from `low`..`high` to `start`..`end`; values outside are held at the ends."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of `value`."""
        # Halved, so that the width of a scale over the largest floats does not overflow.
        width = self.high / 2 - self.low / 2
        share = 0.5 if width == 0 else (value / 2 - self.low / 2) / width
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def step_for(width: float, count: int) -> float:
    """The step of 1, 2 or 5 times a power of ten that gives at most about `count` steps over `width`."""
    rough = width / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def nice_domain(values: Iterable[float], low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """Limits on round numbers that hold every value with room to spare; fixed where `low` or `high` is given.

    A domain of shares stays within 0 and 1, and does not cross zero for the sake of room alone.
    """
    known = [min(LARGEST, max(-LARGEST, v)) for v in values if math.isfinite(v)]
    least, most = min(known, default=0.0), max(known, default=1.0)
    if most - least <= 1e-12 * max(abs(least), abs(most)):
        room = abs(most) * 0.1 or 0.5
        least, most = least - room, most + room
    span = most - least
    step = step_for(span, 8) if span > TINY else 0.0
    floor = math.floor((least - 0.05 * span) / step + 1e-9) * step if step else least
    ceiling = math.ceil((most + 0.05 * span) / step - 1e-9) * step if step else most
    if known and min(known) >= 0:
        floor = max(floor, 0.0)
        if max(known) <= 1:
            ceiling = min(ceiling, 1.0)
    elif known and max(known) <= 0:
        ceiling = min(ceiling, 0.0)
    first, last = (floor if low is None else low), (ceiling if high is None else high)
    return (first, last) if first < last else (first, first + (abs(first) or 1.0))


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them."""
    if not math.isfinite(high - low) or high - low < TINY:
        return [low, high]
    step = step_for(high - low, count)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [0.0 if k == 0 else k * step for k in range(first, last + 1)][: 4 * count]


def tick_label(value: float, step: float) -> str:
    """A tick with the decimals that its step needs: 0.05, 2,000, 3e-07."""
    largest = max(abs(value), abs(step))
    if largest >= 1e6 or 0 < largest < 1e-4:
        return f"{value:.3g}".replace("e+0", "e").replace("e-0", "e−").replace("e+", "e")
    places = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 2
    return f"{value:,.{min(places, 6)}f}".replace("-", "−")

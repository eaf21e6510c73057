"""What tests of bands share."""

from __future__ import annotations

from typing import Any

import numpy as np


def ages(rows: int = 4000, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(18, 91, rows)


def holds(name: str, value: float) -> bool:
    """What the name of a band promises."""
    words = name.split()
    if name.startswith("under "):
        return value < float(words[1])
    if name.endswith(" and over"):
        return value >= float(words[0])
    if " to under " in name:
        return float(words[0]) <= value < float(words[3])
    return float(words[0]) <= value <= float(words[-1])

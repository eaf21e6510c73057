"""The deletion test of explanations: does replacing what is called important lower the output faster than chance?"""

from __future__ import annotations

import numpy as np

from auditkit.core.design import SIMPLE, Design
from auditkit.core.estimate import Estimate
from auditkit.core.types import FloatArray
from auditkit.measures.difference import paired_mean


def area_under(share: FloatArray, response: FloatArray) -> FloatArray:
    """Area under each row's deletion curve, `[n]`, in the unit of the response (trapezoids, over the range of `share`).

    `share`: `[K]`, increasing, the share of inputs replaced at each step (0..1, K ≥ 2). `response`: `[n, K]`. The area
    is divided by the range, so it is the mean response along the curve. Raises `ValueError` on other shapes.
    """
    share, response = np.asarray(share, dtype=np.float64), np.asarray(response, dtype=np.float64)
    if share.ndim != 1 or len(share) < 2 or (np.diff(share) <= 0).any():
        raise ValueError("share must increase over at least two steps")
    if response.ndim != 2 or response.shape[1] != len(share):
        raise ValueError(f"response must be [n, {len(share)}], got {list(response.shape)}")
    return np.asarray(np.trapezoid(response, share, axis=1) / (share[-1] - share[0]), dtype=np.float64)


def deletion_gain(share: FloatArray, by_attribution: FloatArray, at_random: FloatArray) -> FloatArray:
    """How much faster than at random the output falls, `[n]`: area at random − area by attribution.

    `share` `[K]`: the part of the inputs that is replaced at each step, in 0..1. `by_attribution` and `at_random`: the
    output then, `[n, K]`, both of the same rows (Samek et al. 2017, section III; Petsiuk et al. 2018, deletion).
    Positive: the inputs that the explanation calls important matter more than any. Several random orders of a row are
    averaged by the caller first.
    """
    if by_attribution.shape != at_random.shape:
        raise ValueError(f"both must have one shape, got {by_attribution.shape} and {at_random.shape}")
    return area_under(share, at_random) - area_under(share, by_attribution)


def deletion_test(
    share: FloatArray,
    by_attribution: FloatArray,
    at_random: FloatArray,
    design: Design = SIMPLE,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of `deletion_gain` over the rows, paired, with Student's t. An interval above 0 beats random orders."""
    return paired_mean(deletion_gain(share, by_attribution, at_random), design, confidence)

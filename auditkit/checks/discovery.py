"""One false-discovery control over the warnings of a check."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from auditkit.core.types import BoolArray

#: Whether the near end of an interval of that confidence lies beyond the tolerance.
Claim = Callable[[float], bool]


def confirm(claims: Sequence[Claim], confidence: float) -> list[bool]:
    """Which claims may be warned of, at a false discovery rate of 1 − `confidence` over all of them.

    The step-up procedure of Benjamini and Hochberg (1995), *Controlling the false discovery rate*, JRSS B 57(1),
    section 3.1, on confidence intervals: a claim's p-value is below q where its interval of confidence 1 − q holds
    it. The largest k is kept for which at least k of the m claims hold at confidence 1 − k(1 − `confidence`)/m. The
    intervals are two-sided and the claims one-sided, so that the rate is at most half of what is stated. Valid for
    independent and for positively dependent claims (Benjamini and Yekutieli 2001, theorem 1.2).

    A claim must be monotone: what holds at one confidence holds at every lower one.
    """
    held = [index for index, claim in enumerate(claims) if claim(confidence)]
    kept = len(held)
    while held:
        level = 1 - kept * (1 - confidence) / len(claims)
        held = [index for index in held if claims[index](level)]
        if len(held) == kept:
            break
        kept = len(held)
    return [index in set(held) for index in range(len(claims))]


def step_up(beyond: Callable[[float], BoolArray], confidence: float) -> BoolArray:
    """The same for many claims at once, and whatever their dependence: which of m claims may be warned of.

    `beyond(level)` says of each claim (bool `[m]`) whether it holds at that confidence; a claim must be monotone, as in
    `confirm`. Benjamini and Yekutieli (2001, theorem 1.3), Annals of Statistics 29(4): the procedure of Benjamini and
    Hochberg at the rate divided by 1 + 1/2 + ... + 1/m is valid for every kind of dependence. Parts of one whole
    against the rest of it are such a case: where one of them lies above, others lie below.
    """
    held = beyond(confidence)
    if not held.any():
        return held
    share = (1 - confidence) / float(np.sum(1 / np.arange(1, len(held) + 1)))
    kept = len(held) + 1
    while 0 < held.sum() < kept:
        kept = int(held.sum())
        held = held & beyond(1 - kept * share / len(held))
    return held

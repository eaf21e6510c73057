"""Properties of the statistics and of the verdict, for whatever rows Hypothesis thinks of: the same at every run."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings


def examples(count: int) -> settings:
    """So many examples, the same ones at every run, and nothing kept between runs.

    What is drawn is a few numbers from which a whole table follows: shrinking them would take minutes and help nobody.
    """
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )

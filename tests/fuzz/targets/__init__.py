"""Every fuzz target by name. A new reader of foreign bytes joins one of these lists."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import folders, models, plans, results, rows, trust

TARGETS: dict[str, Target] = {
    target.name: target for module in (plans, rows, models, folders, results, trust) for target in module.TARGETS
}

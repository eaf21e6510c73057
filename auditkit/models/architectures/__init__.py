"""What can be trained: one file an architecture, found by name and imported when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from auditkit.core.registry import Registry

if TYPE_CHECKING:
    from auditkit.models.architectures.tabular import TabularNetwork
    from auditkit.models.preprocessing import Preprocessing
    from auditkit.models.train.spec import TrainSpec


class Architecture(Protocol):
    """How a network is made from a plan, and made again from what `model.json` says of it."""

    def parameters(self, spec: TrainSpec) -> dict[str, Any]:
        """What `build` needs, as JSON values."""

    def build(self, parameters: Mapping[str, Any], preprocessing: Preprocessing, outputs: int) -> TabularNetwork:
        """The network with fresh weights and `outputs` output columns.

        Raises `pydantic.ValidationError` for unusable parameters.
        """

    def describe(self, parameters: Mapping[str, Any]) -> str:
        """A few words for the report."""


ARCHITECTURES: Registry[Architecture] = Registry(
    "architecture",
    {"mlp": "auditkit.models.architectures.mlp:ARCHITECTURE"},
)

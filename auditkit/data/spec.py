"""The plan's `data:` section."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from auditkit.core.types import InputKind


def label_text(value: Any) -> str:
    """A label as text, the same whatever type a file or a plan gave it: 1, 1.0 and "1" are "1", True is "true"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


Label = Annotated[str, BeforeValidator(label_text)]


_LARGEST = sys.float_info.max
#: The most bands that a number may ask for.
MAX_BANDS = 50
_BAND_RULES = "expected edges such as [25, 45, 65], a number of bands, or `none`"


def _band_rule(value: Any) -> Any:
    """Edges as a tuple of increasing finite numbers; a whole number of bands; or `none`."""
    if isinstance(value, list | tuple):
        return _edges(value)
    if value == "none":
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{_BAND_RULES}, found {value!r}")
    if not 2 <= value <= MAX_BANDS:
        raise ValueError(f"expected 2 to {MAX_BANDS} bands, found {value}; a single edge is written [{value}]")
    return value


def _edges(values: list[Any] | tuple[Any, ...]) -> tuple[float, ...]:
    if not values:
        raise ValueError(f"names no edge; {_BAND_RULES}")
    if len(values) >= MAX_BANDS:
        raise ValueError(f"names {len(values)} edges; at most {MAX_BANDS} bands are made")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{_BAND_RULES}, found {value!r} among the edges")
        if not -_LARGEST <= value <= _LARGEST:
            raise ValueError(f"the edge {value} is not finite; the outer bands have no end without it")
    edges = [float(value) + 0.0 for value in values]  # -0.0 becomes 0.0
    for lower, upper in itertools.pairwise(edges):
        if lower >= upper:
            raise ValueError(f"the edges must increase, but {upper:g} comes after {lower:g}")
    return tuple(edges)


#: How a numeric sensitive column is cut: at these edges, into so many quantile bands, or not at all.
BandRule: TypeAlias = Annotated[tuple[float, ...] | int | Literal["none"], BeforeValidator(_band_rule)]


def _shares(value: dict[str, float]) -> dict[str, float]:
    """Shares of one population. Raises `ValueError` where they are none, or are not those of a whole."""
    if not value:
        raise ValueError("names no group; give each group its share, such as {Female: 0.51, Male: 0.49}")
    for label, share in value.items():
        if not (math.isfinite(share) and share > 0):
            hint = "; leave out a group that the population does not have" if share == 0 else ""
            raise ValueError(f"the share of {label!r} is {share:g}; a share is above 0 and at most 1{hint}")
    total = sum(value.values())
    if abs(total - 1.0) > 0.01:
        hint = "; write 0.51 for 51%" if 99 <= total <= 101 else ""
        raise ValueError(f"the shares add up to {total:g}, not to 1{hint}")
    return value


#: The share of each group in a reference population.
Shares: TypeAlias = Annotated[dict[Label, float], AfterValidator(_shares)]


class AttributesSpec(BaseModel):
    """A second table with sensitive columns that the splits lack. `id` is its column that `data.id` refers to;
    without it, that column has the same name in both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    id: str | None = None


class InputSpec(BaseModel):
    """How one column is read. Without a kind, it follows from the column's type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: InputKind | None = None


def _input_spec(value: Any) -> Any:
    if value is None:
        return InputSpec()
    return {"kind": value} if isinstance(value, str) else value


class DataSpec(BaseModel):
    """What is read, and what each column means. Paths are absolute once the plan is loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    splits: dict[str, Path] = Field(min_length=1)
    target: str | None = None
    positive: Label | None = None
    inputs: dict[str, Annotated[InputSpec, BeforeValidator(_input_spec)]] | None = None
    sensitive: tuple[str, ...] = ()
    groups: dict[str, tuple[Label, ...]] = Field(default_factory=dict)
    bands: dict[str, BandRule] = Field(default_factory=dict)
    attributes: AttributesSpec | None = None
    population: dict[str, Shares] = Field(default_factory=dict)
    id: str | None = None
    cluster: str | None = None
    weight: str | None = None
    #: What a reader should know of this data; shown in the report.
    about: str | None = None

    def beside(self, directory: Path) -> DataSpec:
        """The same with paths that are relative to a directory made absolute."""
        moved: dict[str, Any] = {"splits": {split: directory / path for split, path in self.splits.items()}}
        if self.attributes is not None:
            moved["attributes"] = self.attributes.model_copy(update={"path": directory / self.attributes.path})
        return self.model_copy(update=moved)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that is read."""
        return (*self.splits.values(), *(() if self.attributes is None else (self.attributes.path,)))

    @property
    def reference_shares(self) -> Mapping[str, Mapping[str, float]]:
        """`population` by sensitive column and group, the shares of each column adding up to exactly 1."""
        totals = {column: sum(shares.values()) for column, shares in self.population.items()}
        return {
            column: {label: share / totals[column] for label, share in shares.items()}
            for column, shares in self.population.items()
        }

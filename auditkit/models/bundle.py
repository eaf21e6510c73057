"""The directory that `auditkit train` leaves: `model.json`, `model.safetensors`, `history.parquet`. No code in it.

Reading it here needs no torch and builds nothing: both files are checked as hostile bytes first.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from auditkit.core.errors import InputRefusedError
from auditkit.core.types import TaskKind
from auditkit.models.prechecks.safetensors_file import SafetensorsHeader, read_header
from auditkit.models.preprocessing import Finite, Name, Preprocessing
from auditkit.models.reading import MEGABYTE, parse_json, read_regular
from auditkit.models.refuse import refuse_code

SCHEMA: Literal["auditkit.model/1"] = "auditkit.model/1"
DESCRIPTION, WEIGHTS, HISTORY = "model.json", "model.safetensors", "history.parquet"
MAX_DESCRIPTION = 64 * MEGABYTE
MAX_WEIGHTS = 64 * 1024 * MEGABYTE


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ArchitectureRecord(_Frozen):
    """Which network, and how large."""

    name: Annotated[str, Field(max_length=100)]
    parameters: dict[str, int | float | str | bool] = Field(max_length=100)


class TargetScale(_Frozen):
    """Regression: the network answers (y − mean) / scale; what leaves the model is y."""

    mean: Finite
    scale: Annotated[Finite, Field(gt=0)]


class TrainingRecord(_Frozen):
    """What the weights were learnt from."""

    #: Digest of the training split, as `Dataset.digests` has it.
    data_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    #: Digest of everything that determines the weights: plan, data, inputs, classes, seed.
    request_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rows: Annotated[int, Field(ge=1)]
    validation_rows: Annotated[int, Field(ge=0)]
    unlabelled: Annotated[int, Field(ge=0)]
    epochs_run: Annotated[int, Field(ge=1)]
    best_epoch: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]


class Description(_Frozen):
    """`model.json`."""

    schema_: Literal["auditkit.model/1"] = Field(alias="schema")
    task: TaskKind
    outputs: Literal["logits", "values"]
    classes: tuple[Name, ...] = Field(max_length=10_000)
    positive: Name | None
    architecture: ArchitectureRecord
    preprocessing: Preprocessing
    target: TargetScale | None
    training: TrainingRecord
    versions: dict[str, Annotated[str, Field(max_length=100)]] = Field(max_length=100)

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=())

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        regression = self.task is TaskKind.REGRESSION
        if regression != (self.outputs == "values") or regression != (self.target is not None):
            raise ValueError("outputs `values` and a target scale belong to regression, and to it alone")
        if regression == bool(self.classes) or len(set(self.classes)) != len(self.classes):
            raise ValueError("a classifier needs at least two different classes, a regression has none")
        if not regression and len(self.classes) < 2:
            raise ValueError("a classifier needs at least two classes")
        if self.positive is not None and self.positive not in self.classes:
            raise ValueError("positive must be one of the classes")
        return self

    @property
    def columns(self) -> int:
        """How many output columns the network has."""
        return len(self.classes) or 1

    def to_json(self) -> str:
        """Numbers are written so that they read back to the same bits."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: its description, and its weights as bytes that nothing has interpreted yet."""

    path: Path
    description: Description
    header: SafetensorsHeader
    weights: bytes


def read_bundle(path: Path) -> Bundle:
    """Read and check the directory. Raises `InputRefusedError` that names the file and what is wrong with it."""
    _check_directory(path)
    for name in (DESCRIPTION, WEIGHTS):
        refuse_code(path / name, "torch")
    description = read_description(path)
    weights = read_regular(path / WEIGHTS, limit=MAX_WEIGHTS, root=path)
    header = read_header(io.BytesIO(weights), len(weights), str(path / WEIGHTS))
    return Bundle(path, description, header, weights)


def read_description(path: Path) -> Description:
    """Read and check `model.json` of a bundle. Raises `InputRefusedError`."""
    where = path / DESCRIPTION
    value = parse_json(read_regular(where, limit=MAX_DESCRIPTION, root=path), str(where))
    try:
        return Description.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "model.json"
        raise InputRefusedError(f"{where}: {key[:200]}: {first['msg'][:300]}") from None


def _check_directory(path: Path) -> None:
    if not os.path.lexists(path):  # a loop of links is told below
        raise InputRefusedError(f"{path}: no such model; `auditkit train` leaves one there")
    refuse_code(path, "torch")
    if not path.is_dir():
        raise InputRefusedError(
            f"{path}: a bare file; `kind: torch` reads the directory that `auditkit train` leaves "
            f"({DESCRIPTION} beside {WEIGHTS})"
        )
    if (path / DESCRIPTION).exists():
        return
    for entry in sorted(path.iterdir()):
        if entry.is_file():
            refuse_code(entry, "torch")
    if (path / ".checkpoint").exists():
        raise InputRefusedError(f"{path}: a training that has not finished; go on with `auditkit train --resume`")
    raise InputRefusedError(f"{path}: no {DESCRIPTION} in it; `kind: torch` reads what `auditkit train` leaves")

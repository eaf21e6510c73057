"""The plan's `model:` section."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from auditkit.data.spec import Label

ModelKind = Literal["torch", "sklearn", "predictions", "python"]
#: A Python file and, after a colon, the function in it.
_CODE = re.compile(r"(?P<file>.*\.py):(?P<function>[A-Za-z_][A-Za-z0-9_]*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Preprocess(BaseModel):
    """How a torch model that is no directory of ours gets its tensor.

    `categories` lists the labels of each categorical column; a label's number is its position in that list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    categories: dict[str, tuple[Label, ...]] = Field(default_factory=dict)

    @field_validator("categories")
    @classmethod
    def _different(cls, categories: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for column, labels in categories.items():
            if not labels:
                raise ValueError(f"{column!r} lists no label")
            twice = sorted({label for label in labels if labels.count(label) > 1})
            if twice:
                raise ValueError(f"{column!r} lists {twice[0]!r} twice; a label has one number")
        return categories


class ModelSpec(BaseModel):
    """What is audited. Paths are absolute once the plan is loaded.

    `builder` (`kind: torch`) is `file.py:function`. `kind: python`: `path` is a Python file, `function` the function in
    it that predicts (also written `path: file.py:function`), `files` what it may read beside itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    kind: ModelKind
    path: Path | None = None
    builder: str | None = None
    function: str | None = None
    files: tuple[Path, ...] | None = None
    preprocess: Preprocess | None = None
    outputs: Literal["logits", "probabilities", "values"] | None = None
    threshold: float = Field(default=0.5, ge=0.0, le=1.0, allow_inf_nan=False)
    classes: tuple[Label, ...] | None = None
    task: Literal["binary-classification", "multiclass-classification", "regression"] | None = None
    #: `kind: predictions`: the columns of the splits' own files.
    prediction: str | None = None
    score: str | None = None
    scores: dict[Label, str] | None = None

    @model_validator(mode="after")
    def _split_path(self) -> Self:
        """`path: model.py:predict` is a path and a function.

        Done afterwards: a validator that runs before the fields turns JSON's lists into Python's, which a strict tuple
        refuses.
        """
        match = _CODE.fullmatch(str(self.path)) if self.kind == "python" else None
        if match is not None:
            if self.function is not None:
                raise ValueError(f"`path` names the function {match['function']!r}, and `function` another; name one")
            object.__setattr__(self, "path", Path(match["file"]))
            object.__setattr__(self, "function", match["function"])
            self.__pydantic_fields_set__.add("function")
        return self

    @field_validator("path")
    @classmethod
    def _is_code(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        python = path is not None and info.data.get("kind") == "python"
        if python and path is not None and path.suffix != ".py" and _CODE.fullmatch(str(path)) is None:
            raise ValueError(f"expected a Python file, such as `model.py` or `model.py:predict`, found {str(path)!r}")
        return path

    @field_validator("builder")
    @classmethod
    def _names_code(cls, builder: str | None) -> str | None:
        if builder is not None and _CODE.fullmatch(builder) is None:
            raise ValueError(f"expected a Python file and a function in it, such as `net.py:make`, found {builder!r}")
        return builder

    @field_validator("function")
    @classmethod
    def _is_name(cls, function: str | None) -> str | None:
        if function is not None and _NAME.fullmatch(function) is None:
            raise ValueError(f"expected the name of a function, found {function!r}")
        return function

    @property
    def builder_file(self) -> Path | None:
        """The file of `builder`."""
        return None if self.builder is None else Path(self.builder.rpartition(":")[0])

    @property
    def builder_function(self) -> str | None:
        """The function of `builder`."""
        return None if self.builder is None else self.builder.rpartition(":")[2]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file or directory that this section names, the model itself first."""
        found = (self.path, self.builder_file, *(self.files or ()))
        return tuple(path for path in found if path is not None)

    def beside(self, directory: Path) -> ModelSpec:
        """The same with paths that are relative to a directory made absolute."""
        moved: dict[str, Any] = {}
        if self.path is not None:
            moved["path"] = directory / self.path
        if self.builder is not None:
            moved["builder"] = str(directory / self.builder)
        if self.files is not None:
            moved["files"] = tuple(directory / path for path in self.files)
        return self.model_copy(update=moved)

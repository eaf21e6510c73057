"""What a worker is asked to open, as the parent checked it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class OpenRequest:
    """A file or directory and the loader that opens it.

    `options` is plain JSON, which the loader understands. `reads` are further files that the child may read.
    `name` is how messages call the model where `path` is a private copy of it.
    """

    loader: str
    path: Path
    device: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[Path, ...] = ()
    name: str = ""

"""What the parent side of a kind of model hands to `open_model`, once it has checked the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from auditkit.core.model import Trusted
from auditkit.models.worker.request import OpenRequest


@dataclass(frozen=True)
class Opening:
    """A checked model: what the worker is asked, the digest of all that it is made of, and what had to be trusted.

    `in_place` are files and directories that the worker reads where they lie, with their digests: they are hashed again
    once they are loaded. What is trusted is read from private copies instead, see `models.snapshot`.
    """

    request: OpenRequest
    sha256: str
    trusted: tuple[Trusted, ...] = ()
    in_place: Mapping[Path, str] = field(default_factory=dict)

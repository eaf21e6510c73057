"""What a worker may do, as the parent wrote it on the command line: known to the child before it imports anything."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Charter:
    """`reads`: absolute paths of the model and what else may be read. `sandbox`: whether Landlock and seccomp are
    wanted. `gpu`: whether a GPU may be used. `parent`: the process that asks. `model_bytes`: the size of the model's
    files."""

    reads: tuple[str, ...] = ()
    sandbox: bool = True
    gpu: bool = False
    parent: int = 0
    model_bytes: int = 0

    def to_argument(self) -> str:
        """As one argument of a command line. Names that are no UTF-8 keep their bytes."""
        return json.dumps({**asdict(self), "parent": self.parent or os.getpid()})

    @classmethod
    def from_argument(cls, text: str) -> Charter:
        """What `to_argument` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "reads": tuple(fields["reads"])})

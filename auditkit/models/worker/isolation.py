"""What protects an audit from its model, in one sentence: what the child reports and the parent sees itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_Text = Annotated[str, Field(max_length=200)]
_COMMON = "bounded memory, files and descriptors; no standard input; scrubbed environment"


class _Report(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    landlock: int = Field(ge=0, le=1_000)
    seccomp: bool
    missing: dict[Literal["landlock", "seccomp", "capabilities"], _Text]
    tried: dict[_Text, _Text] = Field(max_length=20)


@dataclass(frozen=True)
class Isolation:
    """`landlock` is the version that holds (0: none), `seccomp` whether the filter holds; `missing` says why not.
    `asked`: False where the command line said `--no-sandbox`."""

    landlock: int
    seccomp: bool
    missing: tuple[str, ...] = ()
    asked: bool = True

    @property
    def complete(self) -> bool:
        """Whether a model that runs code is contained."""
        return self.asked and self.landlock > 0 and self.seccomp

    @property
    def lacks(self) -> str:
        """What is missing for that, and why; empty where nothing is."""
        return "; ".join(self.missing)

    def __str__(self) -> str:
        if not self.asked:
            return f"worker process without a sandbox (--no-sandbox): {_COMMON}"
        parts = [f"worker process: {self._files()}", self._calls(), _COMMON]
        return "; ".join(parts)

    def _files(self) -> str:
        if self.landlock:
            where = "reads the model and the libraries, writes only its own temporary folder"
            return f"Landlock (ABI {self.landlock}): {where}"
        return f"{self._why('no Landlock')}: it could read every file that the user can"

    def _calls(self) -> str:
        if self.seccomp:
            return "seccomp: no network, no new processes or programs" + ("" if self.landlock else ", no file written")
        return f"{self._why('no seccomp filter')}: network and new processes were open to it"

    def _why(self, what: str) -> str:
        return next((part for part in self.missing if part.startswith(what)), what)


#: What each attempt of the child's must be answered with, by what.
_LANDLOCK_TESTS, _SECCOMP_TESTS = ("read", "write"), ("socket", "program", "signal")


def confirm(report: object, pid: int, *, asked: bool) -> Isolation:
    """The isolation of the process `pid`, as far as its report and the kernel's (`/proc/<pid>/status`) agree.

    Raises `ValueError` where the report is none.
    """
    try:
        said = _Report.model_validate(report)
    except ValidationError:
        raise ValueError("no report of a sandbox") from None
    if not asked:
        return Isolation(0, seccomp=False, asked=False)
    missing = []
    landlock, seccomp = said.landlock, said.seccomp
    if landlock and any(said.tried.get(name) != "EACCES" for name in _LANDLOCK_TESTS):
        landlock, said.missing["landlock"] = 0, "its own test failed"
    if seccomp and any(said.tried.get(name) != "EPERM" for name in _SECCOMP_TESTS):
        seccomp, said.missing["seccomp"] = False, "its own test failed"
    if seccomp and not _filtered(pid):
        seccomp, said.missing["seccomp"] = False, "the kernel knows of none"
    if not landlock:
        missing.append(f"no Landlock ({said.missing.get('landlock', 'unknown')})")
    if not seccomp:
        missing.append(f"no seccomp filter ({said.missing.get('seccomp', 'unknown')})")
    return Isolation(landlock, seccomp, tuple(missing))


def _filtered(pid: int) -> bool:
    """Whether the kernel says that every thread of the process is under a filter, and can gain no privileges."""
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8", errors="replace") as stream:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
            if status.get("Seccomp") != "2" or status.get("NoNewPrivs") != "1":
                return False
    except FileNotFoundError:
        # A thread that has just ended can do nothing any more; the process as a whole must be there.
        return os.path.exists(f"/proc/{pid}/status")
    except OSError:
        return False
    return True

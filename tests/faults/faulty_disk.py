"""A disk that fails: injected into this process at the k-th call, or real (a small tmpfs, a limit, strace)."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_CALLS = ("write", "fsync", "replace", "rename", "mkdir", "ftruncate", "posix_fallocate", "unlink", "rmdir")


@dataclass
class Injector:
    """Raises `OSError(code)` at the `k`-th call (from 1) that changes something under `root`; with `sticky` also at
    every later one that needs space. `k=0` only counts: `calls` then lists what was called."""

    root: Path
    k: int = 0
    code: int = errno.ENOSPC
    sticky: bool = False
    calls: list[str] = field(default_factory=list)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put it between the program and the system."""
        for name in _CALLS:
            patch.setattr(os, name, self._guarded(name, getattr(os, name)))
        patch.setattr(os, "open", self._opening(os.open))
        patch.setattr(io, "open", self._stream_opening(io.open))
        patch.setattr("builtins.open", self._stream_opening(io.open))

    def _under(self, target: Any) -> bool:
        if isinstance(target, int):
            try:
                target = os.readlink(f"/proc/self/fd/{target}")
            except OSError:
                return False
        return str(os.fspath(target)).startswith(str(self.root))

    def _hit(self, name: str, target: Any) -> None:
        if not self._under(target):
            return
        self.calls.append(name)
        needs_space = name not in ("unlink", "rmdir", "ftruncate", "replace", "rename")
        if len(self.calls) == self.k or (self.sticky and 0 < self.k < len(self.calls) and needs_space):
            raise OSError(self.code, os.strerror(self.code))

    def _guarded(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._hit(name, arguments[0])
            return real(*arguments, **options)

        return call

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, flags: int, *arguments: Any, **options: Any) -> Any:
            if flags & os.O_CREAT:
                self._hit("open", path)
            return real(path, flags, *arguments, **options)

        return call

    def _stream_opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if set(mode) & set("wax+"):
                self._hit("open", path)
            return real(path, mode, *arguments, **options)

        return call


@contextlib.contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    """A tmpfs of its own at `place`, as root; skips where mounting isn't allowed."""
    place.mkdir(exist_ok=True)
    if shutil.which("mount") is None or os.getuid() != 0:
        pytest.skip("a small disk of its own needs root and mount")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a tmpfs can't be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    """Change a mounted tmpfs: its size, or whether it can be written."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


@dataclass(frozen=True)
class Call:
    """One system call of a program: the `when`-th of its name."""

    name: str
    when: int


_TRACED = "openat,write,pwrite64,fsync,rename,mkdir,ftruncate,fallocate,unlink,rmdir"
_LINE = re.compile(r"^(\w+)\((.*)")


def strace() -> str:
    """The path of a strace that may trace here; skips where there is none."""
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    probe = [path, "-qq", "-o", os.devnull, "-e", "inject=chdir:error=EIO:when=1", sys.executable, "-c", "0"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("strace may not trace or inject here")
    return path


def calls_of(command: Sequence[str], root: Path, log: Path, **more: Any) -> list[Call]:
    """The calls of the command's main thread that change something under `root`, in order."""
    wrapped = [strace(), "-qq", "-y", "-s", "0", "-o", str(log), "-e", f"trace={_TRACED}", *command]
    subprocess.run(wrapped, check=False, capture_output=True, **more)
    counts: dict[str, int] = {}
    found = []
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name = match[1]
        counts[name] = counts.get(name, 0) + 1
        if str(root) in match[2] and (name != "openat" or "O_CREAT" in match[2]):
            found.append(Call(name, counts[name]))
    return found


def injected(call: Call, error: str) -> list[str]:
    """The words before a command under which that call of its main thread fails."""
    return [strace(), "-qq", "-o", os.devnull, "-e", f"inject={call.name}:error={error}:when={call.when}"]

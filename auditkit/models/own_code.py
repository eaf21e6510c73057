"""Running a Python file that somebody trusts. Imported by the worker alone; what it raises is told in one sentence."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from auditkit.core.errors import InputRefusedError

_MODULE = "audited_code"


def run_file(path: Path, where: str, absent: str, hint: str = "") -> ModuleType:
    """The executed file, which messages call `where`. `absent` says of a module that it imports why it isn't there,
    `hint` is for a file that it can't read.

    Raises `InputRefusedError` with the line on which it failed.
    """
    module = ModuleType(_MODULE)
    module.__file__ = str(path)
    # Dataclasses and annotations look their module up by its name.
    sys.modules[_MODULE] = module

    def execute() -> None:
        code = compile(path.read_bytes(), where, "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102 - trusted by whoever runs the audit, by digest or by --trust-code

    attempt(execute, where, "running it failed", absent, hint)
    return module


def attempt(what: Callable[[], Any], where: str, said: str, absent: str, hint: str = "") -> Any:
    """What a call of such code gives. See `run_file`.

    Raises `InputRefusedError`, and lets `MemoryError` pass.
    """
    try:
        return what()
    except MemoryError:
        raise
    except SyntaxError as error:
        raise InputRefusedError(f"{where}: line {error.lineno or 1}: {error.msg}") from None
    except ModuleNotFoundError as error:
        raise InputRefusedError(f"{where}: it imports {error.name!r}, which is {absent}") from None
    except Exception as error:  # noqa: BLE001 - foreign code raises whatever it does
        message = f"{said}{on_line(error, where)} ({type(error).__name__}: {str(error)[:200]})"
        raise InputRefusedError(f"{where}: {message}{hint if isinstance(error, OSError) else ''}") from None


def on_line(error: Exception, where: str) -> str:
    """On which line of the file it was raised, as far as its own code was on the way."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == where]
    return f" on line {lines[-1]}" if lines else ""


def callables(module: ModuleType) -> Sequence[str]:
    """The functions and classes of a module by name, for messages."""
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]

"""Digests as the command line names them: one a flag, or a file that lists them."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from auditkit.core.errors import InputRefusedError, PlanError, Problem
from auditkit.models.reading import MEGABYTE, read_regular

MAX_BYTES = MEGABYTE
MAX_PROBLEMS = 20
EXPECTED = "expected `sha256:` and 64 hexadecimal digits"
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
_MEANT = re.compile(r"\s*(?:sha256:)?\s*([0-9a-f]{64})\s*", re.ASCII | re.IGNORECASE)


def parse_digest(text: str) -> str:
    """`sha256:` and 64 hexadecimal digits as the digits, in lower case. Raises `ValueError` that says what is wrong."""
    match = _DIGEST.fullmatch(text)
    if match is not None:
        return match[1].lower()
    shown = text if len(text) <= 80 else text[:77] + "..."
    digits = text.removeprefix("sha256:")
    if re.fullmatch(r"[0-9a-fA-F]+", digits) and digits != text:
        raise ValueError(f"{EXPECTED}, found {len(digits)} digits")
    meant = _MEANT.fullmatch(text)
    hint = f"; write sha256:{meant[1]}" if meant is not None else ""
    raise ValueError(f"{EXPECTED}, found {shown!r}{hint}")


def read_trust_file(path: Path) -> frozenset[str]:
    """The digests of a list: one a line, `sha256:HEX`, then any comment; lines that start with `#` are comments.

    Raises `PlanError` with the number of each line that is none of these, and where the file can't be read, is larger
    than 1 MiB, is no text, or could be written by any user of this machine.
    """
    where = f"--trust-file {path}"
    try:
        _refuse_open_to_all(path, where)
        text = read_regular(path, limit=MAX_BYTES).decode("utf-8-sig")
    except InputRefusedError as error:
        raise PlanError(f"--trust-file {error}") from None
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "a loop of links"
        raise PlanError(Problem(where, f"can't be read ({why.lower()})")) from None
    except UnicodeDecodeError as error:
        raise PlanError(Problem(where, f"is not UTF-8 text (byte {error.start})")) from None
    found: set[str] = set()
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        try:
            found.add(parse_digest(words[0]))
        except ValueError as error:
            problems.append(Problem(where, str(error), number))
    if problems:
        more = len(problems) - MAX_PROBLEMS
        rest = [Problem(where, f"and {more:,} more such lines")] if more > 0 else []
        raise PlanError([*problems[:MAX_PROBLEMS], *rest])
    return frozenset(found)


def _refuse_open_to_all(path: Path, where: str) -> None:
    """Raise where any user of the machine could write the list, or put another in its place."""
    real = path.resolve(strict=True)
    if os.stat(real).st_mode & stat.S_IWOTH:
        raise PlanError(Problem(where, "every user of this machine can write to it; `chmod o-w` it"))
    folder = os.stat(real.parent).st_mode
    if folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
        raise PlanError(Problem(where, f"every user of this machine can replace it: `chmod o-w {real.parent}`"))

"""Running the command line as its own process, disturbing it, and looking at what it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from auditkit.core.files import TEMPORARY_PREFIX
from auditkit.pipeline.journal import read_journal

LAUNCH = Path(__file__).with_name("launch.py")
#: A worker that computes looks for its parent every two seconds.
PATIENCE = 20.0


@dataclass(frozen=True)
class Done:
    """What a process answered."""

    code: int
    out: str
    err: str


def _heed_interrupts() -> None:
    """A shell that runs the tests in the background makes its children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(
    *arguments: str | Path,
    temporary: Path,
    wrapper: Sequence[str] = (),
    before: Callable[[], object] = _heed_interrupts,
    **more: Any,
) -> subprocess.Popen[str]:
    """Start the command line with small shards, in a session of its own, with `temporary` as its temporary directory.

    `before` runs in the new process.
    """
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)}
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
    return subprocess.Popen(
        [*wrapper, sys.executable, str(LAUNCH), *map(str, arguments)],
        env=environment,
        start_new_session=True,
        preexec_fn=before,
        **options,
    )


def finish(process: subprocess.Popen[str], seconds: float = 180) -> Done:
    """Wait for it."""
    out, err = process.communicate(timeout=seconds)
    return Done(process.returncode, out or "", err or "")


def run(*arguments: str | Path, temporary: Path, **more: Any) -> Done:
    """Start it and wait for it."""
    return finish(start(*arguments, temporary=temporary, **more))


def kill(process: subprocess.Popen[str]) -> Done:
    """SIGKILL to the command's own process group: the worker has another, and must see for itself that it is alone."""
    os.killpg(process.pid, signal.SIGKILL)
    return finish(process)


def comparable(out: Path) -> dict[str, Any]:
    """`audit.json` without times, ids of runs, and what a rerun can't repeat."""
    audit: dict[str, Any] = json.loads((out / "audit.json").read_text())
    audit.pop("run")
    audit["findings"] = [finding for finding in audit["findings"] if finding["reproducible"]]
    return audit


def torn(out: Path) -> list[str]:
    """Files under their final name that are not whole. Of the journal only the last line may be torn."""
    found = []
    for path in out.rglob("*"):
        if path.is_file() and not path.name.startswith(TEMPORARY_PREFIX) and not _whole(path):
            found.append(str(path.relative_to(out)))
    return found


def _whole(path: Path) -> bool:
    try:
        if path.suffix == ".parquet":
            pq.read_table(path, partitioning=None)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".html":
            return path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        elif path.suffix == ".jsonl":
            return b"\n" not in path.read_bytes()[read_journal(path)[1] :]
        elif path.suffix == ".safetensors":
            content = path.read_bytes()
            end = 8 + int.from_bytes(content[:8], "little")
            spans = [v["data_offsets"][1] for k, v in json.loads(content[8:end]).items() if k != "__metadata__"]
            return bool(len(content) == end + max(spans))
    except (OSError, ValueError):
        return False
    return True


def strays(out: Path, temporary: Path) -> list[str]:
    """What a finished command may not leave: temporaries, parts, locks, caches, directories of workers and copies."""
    names = (f"{TEMPORARY_PREFIX}*", ".parts", ".lock", ".cache", ".checkpoint")
    found = [str(path.relative_to(out)) for name in names for path in out.rglob(name)]
    return found + [path.name for path in temporary.glob("auditkit-*")]


def processes_of(temporary: Path) -> list[int]:
    """Processes whose temporary directory or working directory lies in `temporary`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            home = f"={temporary}".encode() in (entry / "environ").read_bytes()
            if home or os.readlink(entry / "cwd").startswith(str(temporary)):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                found += [int(entry.name)] if state != "Z" else []
        except OSError:
            continue
    return found


def orphans(temporary: Path) -> list[int]:
    """Processes that are still there after a while."""
    end = time.monotonic() + PATIENCE
    while (left := processes_of(temporary)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def wait_for(process: subprocess.Popen[str], reached: Callable[[], bool], seconds: float = 120) -> bool:
    """Wait until something is so; False where the process ended first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if reached():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    raise TimeoutError("the moment never came")


def journal_says(out: Path, word: str) -> Callable[[], bool]:
    """Whether the journal has a line with `word`."""
    return lambda: word in read_text(out / "journal.jsonl")


def read_text(path: Path) -> str:
    """A file's text, or nothing where there is no file yet."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def stage_of(out: Path) -> str:
    """How far a run came, by the last line of its journal."""
    entries, _ = read_journal(out / "journal.jsonl")
    if not entries:
        return "before the journal"
    return {
        "start": "load and score",
        "table": "collect",
        "scored": "collect",
        "probe": "collect",
        "check": "checks and render",
        "end": "after the end",
    }.get(entries[-1].event, entries[-1].event)

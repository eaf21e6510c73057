"""One search in a process of its own: it may die of what it reads, and the file of the last input tells of which."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any


def main() -> None:
    """`python -m tests.fuzz.worker TARGET WORK --seconds N --seed N --engine E`; the last line is what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("work", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", default="mutate")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="auditkit-fuzz-") as scratch:
        run = _atheris if options.engine == "atheris" else _mutate
        run(options.target, options.work, Path(scratch), options.seconds, options.seed)


def _tell(found: dict[str, Any]) -> None:
    sys.__stdout__.write("\n" + json.dumps(found) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def _mutate(name: str, work: Path, scratch: Path, seconds: float, seed: int) -> None:
    from tests.fuzz.corpus import inputs_in, keep, kept
    from tests.fuzz.engine import search
    from tests.fuzz.targets import TARGETS

    target, last = TARGETS[name], work / "last"
    start = [*target.seeds(), *kept(target), *inputs_in(work / "inputs")]
    with contextlib.redirect_stderr(io.StringIO()):
        found = search(target, start, scratch, seed=seed, seconds=seconds, before=last.write_bytes)
    for data in found.inputs:
        keep(work / "inputs", data)
    for data, reason in found.crashes.values():
        path = keep(work / "crashes", data)
        path.with_suffix(".txt").write_text(reason, encoding="utf-8")
    last.unlink(missing_ok=True)
    _tell(
        {
            "executions": found.executions,
            "accepted": found.accepted,
            "seconds": found.seconds,
            "steps": len(found.steps),
            "inputs": len(found.inputs),
            "crashes": sorted(found.crashes),
        }
    )


def _atheris(name: str, work: Path, scratch: Path, seconds: float, seed: int) -> None:
    """libFuzzer by Atheris, guided by instrumented bytecode; half of its mutations are ours, by structure."""
    import atheris

    with atheris.instrument_imports(include=["auditkit"], enable_loader_override=False):
        from tests.fuzz import corpus, engine, targets
        from tests.fuzz.target import Crash, attempt
    target = targets.TARGETS[name]
    found, last, rng = engine.Found(), work / "last", random.Random(seed)
    start = time.process_time()

    def one(data: bytes) -> None:
        last.write_bytes(data)
        found.executions += 1
        found.seconds = time.process_time() - start
        try:
            found.accepted += attempt(target, data, scratch, wait=False) == "accepted"
        except Crash as crash:
            if found.crashed(data, crash):
                path = corpus.keep(work / "crashes", data)
                path.with_suffix(".txt").write_text(str(crash), encoding="utf-8")
        if found.seconds >= seconds:
            last.unlink(missing_ok=True)
            _tell(_said(found, work))
            sys.__stdout__.flush()  # type: ignore[union-attr]
            import os

            os._exit(0)

    for data in [*target.seeds(), *corpus.kept(target)]:
        corpus.keep(work / "inputs", data)
    flags = [
        f"-seed={seed + 1}",
        "-timeout=300",
        "-rss_limit_mb=6000",
        "-max_len=65536",
        "-verbosity=0",
        "-len_control=0",
    ]
    atheris.Setup([sys.argv[0], *flags, str(work / "inputs")], one, **_mutator(atheris, target, rng))
    atheris.Fuzz()


def _mutator(atheris: ModuleType, target: Any, rng: random.Random) -> dict[str, Any]:
    if target.mutate is None:
        return {}

    def custom(data: bytes, most: int, seed: int) -> bytes:
        rng.seed(seed)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return bytes(target.mutate(data, rng, target.tokens)[:most])

    return {"custom_mutator": custom}


def _said(found: Any, work: Path) -> dict[str, Any]:
    return {
        "executions": found.executions,
        "accepted": found.accepted,
        "seconds": found.seconds,
        "steps": 0,
        "inputs": sum(1 for _ in (work / "inputs").iterdir()),
        "crashes": sorted(found.crashes),
    }


if __name__ == "__main__":
    main()

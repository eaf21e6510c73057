"""The driver: `python -m tests.fuzz [TARGET ...] --seconds N [--engine atheris|mutate]`.

Searches each target for so long, each in a process of its own, and exits with 1 where something crashed. `--work`
keeps what was found between runs; `--keep` then distils it into the corpus of the repository, `--write` says in
RESULTS.md what all runs of that folder came to. `--replay FILE` tries one input. Atheris (`pip install atheris`) is no
dependency: install it somewhere of your own and put that on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fuzz.corpus import distil, inputs_in, keep, kept, replace_kept
from tests.fuzz.results import write_results
from tests.fuzz.target import Crash, Target, attempt
from tests.fuzz.targets import TARGETS

LOG = "runs.jsonl"


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 1 where an input crashed its target."""
    options = _parser().parse_args(argv)
    chosen = [TARGETS[name] for name in options.targets or TARGETS]
    if options.replay is not None:
        return _replay(chosen, options.replay)
    work = options.work or Path(tempfile.gettempdir()) / "auditkit-fuzz"
    crashed = 0
    for target in chosen if options.seconds > 0 else ():
        found = run(target, work / target.name, options.engine, options.seconds, options.seed)
        with (work / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"target": target.name, "engine": options.engine, **found}) + "\n")
        crashed += len(found["crashes"])
        print(_line(target, found), flush=True)
    if options.keep:
        _keep(chosen, work)
    if options.write:
        print(write_results(work / LOG))
    return 1 if crashed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all without one")
    parser.add_argument(
        "--seconds", type=float, default=60, help="of processor time, for each target; 0 searches nothing"
    )
    parser.add_argument("--engine", choices=("mutate", "atheris"), default="mutate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, metavar="DIR", help="what was found, kept between runs")
    parser.add_argument("--keep", action="store_true", help="distil what was found into tests/fuzz/corpus")
    parser.add_argument("--write", action="store_true", help="write tests/fuzz/RESULTS.md from the runs in --work")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try one input")
    return parser


def run(target: Target, work: Path, engine: str, seconds: float, seed: int) -> dict[str, Any]:
    """Search one target in a child process. Where the child dies, the input that it died of is a crash."""
    (work / "inputs").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.worker", target.name, str(work), f"--seconds={seconds}"]
    done = subprocess.run(
        [*command, f"--seed={seed}", f"--engine={engine}"], capture_output=True, text=True, check=False
    )
    try:
        found: dict[str, Any] = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    except ValueError:
        found = {"executions": 0, "accepted": 0, "seconds": 0.0, "steps": 0, "inputs": 0, "crashes": []}
        found["crashes"] = [f"the process ended with {done.returncode}: {done.stderr.strip()[-1500:]}"]
        last = work / "last"
        if last.is_file():
            path = keep(work / "crashes", last.read_bytes())
            path.with_suffix(".txt").write_text(found["crashes"][0], encoding="utf-8")
    return found


def _line(target: Target, found: dict[str, Any]) -> str:
    crashes = "".join(f"\n    CRASH {kind}" for kind in found["crashes"])
    return (
        f"{target.name}: {found['executions']:,} executions in {found['seconds']:.0f} s, "
        f"{found['accepted']:,} accepted, {found['inputs']:,} inputs with new steps{crashes}"
    )


def _keep(targets: Sequence[Target], work: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for target in targets:
            found = [*kept(target), *inputs_in(work / target.name / "inputs")]
            chosen = distil(target, found, Path(scratch))
            replace_kept(target, chosen)
            print(f"{target.name}: keeps {len(chosen)} of {len(found)}", flush=True)


def _replay(targets: Sequence[Target], path: Path) -> int:
    crashed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for target in targets:
            try:
                print(f"{target.name}: {attempt(target, path.read_bytes(), Path(scratch))}")
            except Crash as crash:
                crashed += 1
                print(f"{target.name}: CRASH {crash}")
    return 1 if crashed else 0


if __name__ == "__main__":
    sys.exit(main())

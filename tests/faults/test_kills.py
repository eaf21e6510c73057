"""kill -9 at any moment of training and auditing: nothing finished is lost, torn or left behind."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from auditkit.core.files import sha256_tree
from tests.faults.conftest import Undisturbed
from tests.faults.harness import comparable, finish, kill, orphans, run, stage_of, start, strays, torn
from tests.faults.records import record, whole

KILLS = int(os.environ.get("AUDITKIT_FAULTS_KILLS", "200"))


def _moments(small: int, share: float) -> list[int]:
    """Seeds of the kills: a few in the suite; in the whole, a share of all."""
    return list(range(round(KILLS * share) if whole() else small))


def _random_moment(seed: int, seconds: float) -> Callable[[Path], None]:
    """Wait for a moment drawn uniformly over the duration."""
    moment = random.Random(seed).uniform(0.05, 1.0) * seconds
    return lambda out: time.sleep(moment)


def _at_a_write(seed: int, seconds: float) -> Callable[[Path], None]:
    """Wait until the n-th time that something under `out` appears, vanishes or grows, and no longer."""
    n = random.Random(seed).randint(1, 60)

    def wait(out: Path) -> None:
        seen, changes, end = _sizes(out), 0, time.monotonic() + seconds
        while changes < n and time.monotonic() < end:
            now = _sizes(out)
            changes += now != seen
            seen = now

    return wait


def _sizes(out: Path) -> list[tuple[str, int]]:
    found = []
    for folder, _, names in os.walk(out):
        for name in names:
            try:
                found.append((f"{folder}/{name}", os.stat(f"{folder}/{name}").st_size))
            except OSError:
                continue
    return found


def _killed(arguments: list[str | Path], out: Path, temporary: Path, moment: Callable[[Path], None]) -> int:
    """Start, wait for the moment, kill; returns the exit code: that of a kill, unless it had ended before."""
    process = start("--quiet", *arguments, temporary=temporary)
    moment(out)
    done = kill(process) if process.poll() is None else finish(process)
    assert torn(out) == []
    assert orphans(temporary) == []
    return done.code


AIMS = {"kill -9 at a random moment": _random_moment, "kill -9 at a write": _at_a_write}


def _aim(seed: int) -> str:
    return list(AIMS)[seed % 2]


def _resumed(audit: Undisturbed, tmp_path: Path, seed: int, kind: str) -> None:
    """Kill an audit, every fourth time also the one that goes on, and see that the last one ends like `audit`."""
    out, temporary, aim = tmp_path / "out", tmp_path / "tmp", _aim(seed)
    arguments: list[str | Path] = ["run", audit.plan, "--out", out]
    codes = [_killed(arguments, out, temporary, AIMS[aim](seed, audit.seconds))]
    stage = stage_of(out)
    if seed % 4 == 3:
        codes.append(_killed([*arguments, "--resume"], out, temporary, AIMS[aim](seed + 1000, audit.seconds)))
    done = run("--quiet", *arguments, "--resume", temporary=temporary)
    assert done.code == audit.code, done.err
    assert comparable(out) == audit.audit
    assert torn(out) == []
    assert strays(out, temporary) == []
    assert orphans(temporary) == []
    record(aim, f"{kind}: {stage}", "resumed to the same audit.json; nothing torn or left behind", *codes, done.code)
    shutil.rmtree(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", _moments(2, 0.55))
def test_a_killed_audit_resumes_to_the_same(torch_audit: Undisturbed, tmp_path: Path, seed: int) -> None:
    _resumed(torch_audit, tmp_path, seed, "run")


@pytest.mark.slow
@pytest.mark.parametrize("seed", _moments(4, 0.2))
def test_a_killed_audit_of_predictions_resumes_to_the_same(
    predictions_audit: Undisturbed, tmp_path: Path, seed: int
) -> None:
    _resumed(predictions_audit, tmp_path, seed + 20_000, "run on predictions")


@pytest.mark.slow
@pytest.mark.parametrize("seed", _moments(2, 0.25))
def test_a_killed_training_resumes_to_the_same_bits(torch_audit: Undisturbed, tmp_path: Path, seed: int) -> None:
    out, temporary, aim = tmp_path / "model", tmp_path / "tmp", _aim(seed)
    arguments: list[str | Path] = ["train", torch_audit.plan, "--out", out]
    codes = [_killed(arguments, out, temporary, AIMS[aim](seed + 5000, torch_audit.trained))]
    stage = "model written" if (out / "model.json").exists() else "epochs" if _epochs(out) else "before an epoch"
    done = run("--quiet", *arguments, "--resume", temporary=temporary)
    assert done.code == 0, done.err
    assert sha256_tree(out) == sha256_tree(torch_audit.plan.parent / "model")
    assert strays(out, temporary) == []
    record(aim, f"train: {stage}", "resumed to the same bits; nothing torn or left behind", *codes, done.code)
    shutil.rmtree(tmp_path)


def _epochs(out: Path) -> bool:
    return (out / ".checkpoint" / "last.safetensors").exists()

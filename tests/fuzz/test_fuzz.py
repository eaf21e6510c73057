"""A short search of every target from a fixed seed, and the replay of what earlier, long ones left."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from auditkit.core.errors import InputRefusedError, UnfinishedError
from tests.fuzz import engine
from tests.fuzz.corpus import HERE, kept
from tests.fuzz.target import SECONDS, Crash, Target, attempt, name_of
from tests.fuzz.targets import TARGETS

#: Inputs of a target for which a whole audit may run, and of the others.
FEW, MANY = 20, 150
EVERY = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@EVERY
def test_seeds_are_accepted(target: Target, tmp_path: Path) -> None:
    """A target whose seeds are refused would search nothing but the first check."""
    outcomes = {attempt(target, seed, tmp_path) for seed in target.seeds()}
    assert outcomes == ({"refused"} if target.name == "model-file" else {"accepted"})


@EVERY
def test_kept_inputs(target: Target, tmp_path: Path) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        for data in kept(target):
            attempt(target, data, tmp_path)


@EVERY
def test_a_short_search_finds_no_crash(target: Target, tmp_path: Path) -> None:
    found = engine.search(target, target.seeds(), tmp_path, seed=20, executions=FEW if target.slow else MANY)
    for data, reason in found.crashes.values():
        raise AssertionError(f"{target.name}: {engine.label(data)}: {data[:2000]!r}\n{reason}")
    assert found.steps, "no step of the code was seen"


def test_the_corpus_is_small_and_in_order() -> None:
    files = [path for path in HERE.rglob("*") if path.is_file()]
    assert len(files) <= 200
    assert sum(path.stat().st_size for path in files) <= 300_000
    for path in files:
        assert path.parent.name in TARGETS, f"{path}: there is no such target"
        assert path.name == name_of(path.read_bytes()), f"{path}: not the name of its content"


# --- the judge itself: what it must catch, it catches ----------------------------------------------------------------


def judge(run: Callable[[bytes, Path], object]) -> Target:
    return Target("t", "", run, lambda: [b"seed"], ("auditkit.core.errors",))


def raises(error: BaseException) -> Callable[[bytes, Path], object]:
    def run(data: bytes, folder: Path) -> None:
        raise error

    return run


def works_for_ever(data: bytes, folder: Path) -> None:
    while True:
        try:
            sum(range(1000))
        except Exception:  # noqa: BLE001 - code under test may swallow everything
            continue


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (raises(ValueError("x")), "ValueError: x"),
        (raises(SystemExit(1)), "SystemExit"),
        (raises(MemoryError()), "MemoryError"),
        (raises(AssertionError("unsound")), "unsound"),
        (raises(UnfinishedError("x")), "exit code 3"),
        (raises(InputRefusedError("")), "no message of one line"),
        (raises(InputRefusedError("a\nb")), "no message of one line"),
        (raises(InputRefusedError("x" * 5000)), "no message of one line"),
    ],
)
def test_the_judge_catches(run: Callable[[bytes, Path], object], said: str, tmp_path: Path) -> None:
    with pytest.raises(Crash, match=said):
        attempt(judge(run), b"", tmp_path)


def test_the_judge_catches_what_works_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.target.SECONDS", SECONDS / 25)
    with pytest.raises(Crash, match="took more than"):
        attempt(judge(works_for_ever), b"", tmp_path)


def test_a_search_finds_what_was_planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three nested conditions, met one after the other only by a search that keeps what took a new step."""
    planted = tmp_path / "auditkit_planted.py"
    planted.write_text(
        "def read(data):\n"
        "    if data[:1] == b'A':\n"
        "        if data[1:2] == b'K':\n"
        "            if data[2:3] == b'W':\n"
        "                raise ValueError('found')\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("auditkit_planted")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    target = Target(
        "t",
        "",
        lambda data, folder: module.read(data),
        lambda: [b"...."],
        ("auditkit_planted",),
        tokens=(b"A", b"K", b"W"),
    )
    found = engine.search(target, [b"...."], scratch, executions=8_000)
    assert [reason.splitlines()[0] for _, reason in found.crashes.values()] == ["ValueError: found"]

"""Ctrl-C, SIGTERM and a terminal that closes, at every stage, once and twice: evidence kept, nothing torn."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from auditkit.core.files import TEMPORARY_PREFIX
from tests.faults.conftest import Undisturbed
from tests.faults.harness import Done, comparable, finish, journal_says, orphans, run, start, strays, torn, wait_for
from tests.faults.records import record, whole

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

#: name: the signals, and the seconds between them.
WISHES: dict[str, tuple[Sequence[signal.Signals], float]] = {
    "Ctrl-C": ([INT], 0),
    "Ctrl-C twice quickly": ([INT, INT], 0.02),
    "Ctrl-C twice": ([INT, INT], 1.3),
    "SIGTERM": ([TERM], 0),
    "SIGTERM then Ctrl-C": ([TERM, INT], 0.01),
    "SIGHUP twice (a terminal that closes)": ([HUP, HUP], 0.005),
    "SIGTERM ten times": ([TERM] * 10, 0.2),
}
STAGES = ("start", "scored", "permutations", "bias.groups", "render")
#: What the suite has time for.
FEW = {
    ("Ctrl-C twice quickly", "scored"),
    ("SIGHUP twice (a terminal that closes)", "start"),
}


def _reached(out: Path, stage: str) -> Callable[[], bool]:
    if stage == "render":
        return lambda: any(out.glob(f"{TEMPORARY_PREFIX}*")) or (out / "report.html").exists()
    return journal_says(out, f'"{stage}"')


def _signalled(arguments: list[str | Path], out: Path, stage: str, wish: str, temporary: Path) -> Done:
    numbers, pause = WISHES[wish]
    process = start("--quiet", *arguments, temporary=temporary)
    wait_for(process, _reached(out, stage))
    for number in numbers:
        if process.poll() is None:
            os.kill(process.pid, number)
            time.sleep(pause)
    return finish(process)


CASES = [(wish, stage) for wish in WISHES for stage in STAGES if whole() or (wish, stage) in FEW]


@pytest.mark.slow
@pytest.mark.parametrize(("wish", "stage"), CASES)
def test_a_polite_end(torch_audit: Undisturbed, tmp_path: Path, wish: str, stage: str) -> None:
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    arguments: list[str | Path] = ["run", torch_audit.plan, "--out", out]
    done = _signalled(arguments, out, stage, wish, temporary)
    expected = 130 if WISHES[wish][0][0] is INT else 143
    late = stage == "render" and done.code == torch_audit.code
    assert late or done.code == expected or (len(WISHES[wish][0]) > 1 and done.code in (130, 143)), done.err
    assert "Traceback" not in done.err
    assert "Exception ignored" not in done.err
    assert late or len(done.err.strip().splitlines()) <= 1, done.err
    assert torn(out) == []
    assert orphans(temporary) == []
    if len(WISHES[wish][0]) == 1 and not late:
        assert "--resume" in done.err
        assert not list(out.rglob(f"{TEMPORARY_PREFIX}*"))
        assert not (out / ".lock").exists()
    again = run("--quiet", *arguments, "--resume", temporary=temporary)
    assert again.code == torch_audit.code, again.err
    assert comparable(out) == torch_audit.audit
    assert strays(out, temporary) == []
    record(wish, f"run: {stage}", "ended in order; resumed to the same audit.json", done.code)


@pytest.mark.slow
@pytest.mark.parametrize("wish", ["Ctrl-C", "SIGTERM"] if whole() else ["SIGTERM"])
def test_a_polite_end_of_training(torch_audit: Undisturbed, tmp_path: Path, wish: str) -> None:
    out, temporary = tmp_path / "model", tmp_path / "tmp"
    process = start("--quiet", "train", torch_audit.plan, "--out", out, temporary=temporary)
    wait_for(process, lambda: (out / ".checkpoint").exists())
    process.send_signal(WISHES[wish][0][0])
    done = finish(process)
    assert done.code == (130 if wish == "Ctrl-C" else 143) or (out / "model.json").exists(), done.err
    assert "Traceback" not in done.err
    assert not (out / ".lock").exists()
    assert not (out / ".cache").exists()
    assert run("--quiet", "train", torch_audit.plan, "--out", out, "--resume", temporary=temporary).code == 0
    record(wish, "train", "ended in order; resumed", done.code)


def test_what_was_ignored_stays_ignored(predictions_audit: Undisturbed, tmp_path: Path) -> None:
    """`nohup auditkit run` survives the end of its terminal."""
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    process = start(
        "--quiet",
        "run",
        predictions_audit.plan,
        "--out",
        out,
        temporary=temporary,
        before=lambda: signal.signal(HUP, signal.SIG_IGN),
    )
    wait_for(process, journal_says(out, '"start"'))
    process.send_signal(HUP)
    done = finish(process)
    assert done.code == predictions_audit.code, done.err
    record("SIGHUP under nohup", "run: start", "went on", done.code)


def test_a_terminal_that_goes_away_without_a_word(predictions_audit: Undisturbed, tmp_path: Path) -> None:
    """Progress bars on a terminal that was closed: the work goes on, and so does the answer."""
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    ours, theirs = os.openpty()
    process = start(
        "run",
        predictions_audit.plan,
        "--out",
        out,
        temporary=temporary,
        stdout=None,
        stderr=theirs,
        before=lambda: signal.signal(HUP, signal.SIG_IGN),
    )
    os.close(theirs)
    wait_for(process, lambda: out.exists())
    os.close(ours)
    assert finish(process).code == predictions_audit.code
    assert comparable(out) == predictions_audit.audit
    record("terminal closed (EIO on stderr)", "run", "went on to the same audit.json", predictions_audit.code)


@pytest.mark.parametrize("arguments", [["gate"], ["checks"]])
def test_standard_output_on_a_full_disk(
    predictions_audit: Undisturbed, tmp_path: Path, arguments: list[str | Path]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    if arguments == ["gate"]:
        data = predictions_audit.plan.parent / "test.csv"
        arguments = ["gate", data, "--target", "label", "--prediction", "said", "--min", "accuracy=0.1"]
    with open("/dev/full", "w") as full:
        done = run(*arguments, temporary=tmp_path / "tmp", stdout=full)
    assert done.code == 3, done.err
    assert done.err.strip() == "auditkit: the result can't be written to standard output (No space left on device)"
    record("ENOSPC on standard output", str(arguments[0]), "one message", done.code)

"""Row: empty, header-only, unreadable, wrong encoding, NUL bytes, truncated, an HTML error page, a Git LFS pointer, a
FIFO, /dev/zero, a link loop → exit 4, one line that names the file and what it is; no hang."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.data_files import GOOD, REFUSED
from tests.hostile.table.project import COMMANDS, Cli, call, error_line

CASES = {name: case for name, *case in REFUSED}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_refused_in_one_line(auditkit: Cli, tmp_path: Path, command: str, name: str) -> None:
    file, make, message = CASES[name]
    make(tmp_path / file)
    answer = call(auditkit, command, tmp_path / file, prediction="age", group="sex")
    assert answer.code == 4, answer.text
    said = error_line(answer)
    assert said.startswith(f"{file}: ")
    assert message in said
    assert said.isprintable()
    assert not (tmp_path / f"out-{command}" / "audit.json").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("make", [os.mkfifo, lambda p: p.symlink_to("/dev/zero")], ids=["FIFO", "/dev/zero"])
def test_a_process_of_its_own_does_not_hang(tmp_path: Path, command: str, make: Callable[[Path], None]) -> None:
    """In this process, a signal would wake it."""
    make(tmp_path / "d.csv")
    script = (
        "import sys; from pathlib import Path; from tests.hostile.table.project import call\n"
        "from auditkit.cli.main import main\n"
        "sys.exit(call(lambda *a: main([str(x) for x in a]), sys.argv[1], Path(sys.argv[2])))"
    )
    arguments = [sys.executable, "-c", script, command, str(tmp_path / "d.csv")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30)
    assert done.returncode == 4
    assert "d.csv: " in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_nobody_may_read(auditkit: Cli, tmp_path: Path, command: str) -> None:
    if os.getuid() == 0:
        pytest.skip("root may read everything; tests/hostile/test_data.py tries it as another user")
    (tmp_path / "d.csv").write_text(GOOD)
    (tmp_path / "d.csv").chmod(0)
    answer = call(auditkit, command, tmp_path / "d.csv", prediction="y")
    assert answer.code == 4
    assert error_line(answer) == "d.csv: no permission to read it"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.csv", "no file 'nothing.csv'; did you mean 'nothings.csv'?"),
        ("dangling.csv", "a link to a file that isn't there"),
        ("table.xlsx", "has no suffix that says its format"),
    ],
)
def test_a_name_that_is_wrong_is_the_plans_fault(
    auditkit: Cli, tmp_path: Path, command: str, name: str, message: str
) -> None:
    for other in ("nothings.csv", "table.xlsx"):
        (tmp_path / other).write_text(GOOD)
    (tmp_path / "dangling.csv").symlink_to("gone")
    answer = call(auditkit, command, tmp_path / name, prediction="y")
    assert answer.code == 2, answer.text
    assert message in answer.err


MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda p: p.write_bytes(b""), "an empty file"),
    "an HTML page": (lambda p: p.write_bytes(b"<!DOCTYPE html><p>404"), "an HTML page, probably a failed download"),
    "a Git LFS pointer": (lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
    "a FIFO": (os.mkfifo, "not a regular file"),
    "/dev/zero": (lambda p: p.symlink_to("/dev/zero"), "not a regular file"),
    "a link loop": (lambda p: p.symlink_to(p), "can't be read"),
    "truncated": (lambda p: p.write_bytes(b"PK\x03\x04"), "not a skops file"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_file_is_refused_alike(auditkit: Cli, tmp_path: Path, name: str) -> None:
    make, message = MODELS[name]
    make(tmp_path / "model.skops")
    (tmp_path / "d.csv").write_text(GOOD)
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "name: m\nmodel: {kind: sklearn, path: model.skops}\ngates: none\n"
        "data: {splits: {test: d.csv}, target: y, positive: 1, inputs: {age: numeric}}\n"
    )
    answer = auditkit("run", plan, "--out", tmp_path / "out")
    assert answer.code == 4, answer.text
    assert str(tmp_path / "model.skops") in error_line(answer)
    assert message in error_line(answer)

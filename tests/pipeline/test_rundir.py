"""The run directory: nothing that is not ours is overwritten, and two runs never share one."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditkit.core.errors import PlanError
from auditkit.core.files import TEMPORARY_PREFIX
from auditkit.pipeline.journal import Journal
from auditkit.pipeline.rundir import RunDirectory, choose_directory, slug


def test_a_file_foreign_content_an_earlier_run_and_inputs_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(PlanError, match="is a file"), RunDirectory(file, resume=False):
        pass
    with pytest.raises(PlanError, match="holds other files"), RunDirectory(tmp_path, resume=True):
        pass
    run = tmp_path / "run"
    run.mkdir()
    journal = Journal(run / "journal.jsonl")
    journal.record("start")
    journal.record("stopped")
    with RunDirectory(run, resume=False):  # it was refused before it scored a row: there is nothing to lose
        pass
    journal.record("scored")
    journal.close()
    with pytest.raises(PlanError, match="holds an earlier run"), RunDirectory(run, resume=False):
        pass
    with RunDirectory(run, resume=True):
        pass
    with pytest.raises(PlanError, match="holds an input"), RunDirectory(tmp_path, resume=False, inputs=[file]):
        pass


def test_evidence_that_nobody_vouches_for_is_not_taken_over(tmp_path: Path) -> None:
    """Whoever lays out the directory beforehand could lay out the findings, too."""
    run = tmp_path / "run"
    (run / "evidence" / ".checks").mkdir(parents=True)
    journal = Journal(run / "journal.jsonl")
    journal.record("start", check="bias.groups", content="0" * 64)
    journal.close()
    with pytest.raises(PlanError, match="holds an earlier run"), RunDirectory(run, resume=False):
        pass
    (run / "evidence" / ".checks").rmdir()
    with RunDirectory(run, resume=False):
        pass


@pytest.mark.parametrize("name", ["evidence", "evidence/.checks", "evidence/.parts"])
@pytest.mark.parametrize("resume", [True, False])
def test_evidence_is_never_a_link(tmp_path: Path, name: str, resume: bool) -> None:
    run, victim = tmp_path / "run", tmp_path / "victim"
    (run / "evidence").mkdir(parents=True)
    victim.mkdir()
    Journal(run / "journal.jsonl").close()
    if name == "evidence":
        (run / name).rmdir()
    (run / name).symlink_to(victim)
    with pytest.raises(PlanError, match="is a link"), RunDirectory(run, resume=resume):
        pass


def test_links_in_place_of_our_files_are_not_followed(tmp_path: Path) -> None:
    run, victim = tmp_path / "run", tmp_path / "victim"
    run.mkdir()
    (run / "journal.jsonl").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        Journal(run / "journal.jsonl")
    (run / ".lock").symlink_to(victim)
    with pytest.raises(PlanError, match="can't be written"), RunDirectory(run, resume=True):
        pass
    assert not victim.exists()


def test_two_runs_at_once(tmp_path: Path) -> None:
    with (
        RunDirectory(tmp_path / "run", resume=False),
        pytest.raises(PlanError, match="another run"),
        RunDirectory(tmp_path / "run", resume=False),
    ):
        pass


def test_strays_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "evidence").mkdir(parents=True)
    (run / "journal.jsonl").write_text("")
    stray = run / "evidence" / f"{TEMPORARY_PREFIX}abc"
    stray.write_text("half")
    with RunDirectory(run, resume=True):
        assert not stray.exists()


def test_default_directory(tmp_path: Path) -> None:
    chosen = choose_directory("Credit / 2026 ../x", None, False, tmp_path)
    assert chosen.parent == tmp_path
    assert chosen.name.startswith("Credit-2026-..-x-")
    assert slug("///") == "audit"
    with pytest.raises(PlanError, match="no earlier run"):
        choose_directory("a", None, True, tmp_path)

from __future__ import annotations

import os

import pytest

from auditkit.core.files import (
    TEMPORARY_PREFIX,
    atomic,
    remove_temporaries,
    sha256_tree,
    write_text,
    write_through,
    write_together,
)


def write_in_parts(path, error):
    with atomic(path) as stream:
        stream.write(b"half")
        if error:
            raise error
        stream.write(b" and half")


def write_by_name(path, error):
    def writer(name):
        with open(name, "w", encoding="utf-8") as stream:
            stream.write("half" if error else "half and half")
        if error:
            raise error

    write_through(path, writer)


@pytest.mark.parametrize("write", [write_in_parts, write_by_name])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["error", "interrupted"])
def test_a_file_is_whole_or_what_it_was(tmp_path, write, error):
    path = tmp_path / "audit.json"
    write_text(path, "before")
    with pytest.raises(type(error)):
        write(path, error)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["audit.json"], "nothing half-written is left beside it"
    write(path, None)
    assert path.read_text() == "half and half"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["audit.json"]


@pytest.mark.parametrize("write", [write_in_parts, write_by_name])
def test_a_file_is_synced_before_it_takes_its_name_and_the_directory_after(tmp_path, write, monkeypatch):
    happened = []
    for name in ("fsync", "replace"):
        real = getattr(__import__("os"), name)

        def told(*arguments, name=name, real=real):
            happened.append(name)
            return real(*arguments)

        monkeypatch.setattr(f"auditkit.core.files.os.{name}", told)
    write(tmp_path / "audit.json", None)
    assert happened == ["fsync", "replace", "fsync"]


def test_what_a_killed_run_left_is_removed_at_any_depth(tmp_path):
    deep = tmp_path / "evidence"
    deep.mkdir()
    for folder in (tmp_path, deep):
        (folder / f"{TEMPORARY_PREFIX}x").write_text("half")
        (folder / "kept").write_text("whole")
    remove_temporaries(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["evidence", "kept", "kept"]


def test_the_digest_of_a_directory_tells_names_and_contents_apart(tmp_path):
    def digest(**files):
        folder = tmp_path / "-".join([*files, *files.values()])
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
        return sha256_tree(folder)

    assert digest(a="1", b="2") != digest(a="2", b="1") != digest(a="1", c="2")


def test_several_files_take_their_names_only_once_all_are_written(tmp_path, monkeypatch):
    write_together(tmp_path, {"a": b"old", "b": b"old"})
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_together(tmp_path, {"a": b"new", "b": b"new"})
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"old", "b": b"old"}


def test_a_file_has_the_rights_that_the_user_gives_to_files(tmp_path):
    before = os.umask(0o077)
    try:
        write_text(tmp_path / "private", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600

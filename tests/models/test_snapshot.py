"""Private copies of trusted files: what was hashed is what is run, and nothing of it is left behind."""

import hashlib
import os
import pickle
import signal
import stat
import subprocess
import sys
from pathlib import Path, PurePath

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from auditkit.core.errors import InputRefusedError
from auditkit.models import open as opening
from auditkit.models import snapshot
from auditkit.models.snapshot import Snapshots, digest_regular, take_trusted
from auditkit.models.spec import ModelSpec
from auditkit.models.trust import NOBODY, Trust
from auditkit.models.worker.probe import isolation_here


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_copy_is_private_whole_and_goes(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(os.urandom(3 << 20))
    with Snapshots() as copies:
        found = copies.take(path, PurePath("deep/er/model.pkl"))
        assert found.path == copies.directory / "deep/er/model.pkl"
        assert found.path.read_bytes() == path.read_bytes()
        assert found.sha256 == sha256(path) == digest_regular(path)
        assert stat.S_IMODE(found.path.stat().st_mode) == 0o400
        for folder in (copies.directory, found.path.parent):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        directory = copies.directory
    assert not directory.exists()


def test_nothing_is_copied_and_no_directory_made_where_nothing_is_trusted(tmp_path, monkeypatch):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"x")
    monkeypatch.setattr(snapshot, "Home", None)
    with Snapshots() as copies, pytest.raises(InputRefusedError, match=f"--trust sha256:{sha256(path)}$"):
        take_trusted(copies, path, "a pickle", NOBODY)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with Snapshots(limit=10) as copies:
        for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "loop", tmp_path / "absent"):
            with pytest.raises(InputRefusedError, match=r"not a regular file|can't be (read|followed)|no such file"):
                copies.take(path)
        large = tmp_path / "large"
        large.write_bytes(bytes(11))
        with pytest.raises(InputRefusedError, match="11 bytes, more than the 10"):
            copies.take(large)


@pytest.mark.parametrize("change", [b"longer than before", b"s"])
def test_a_file_that_changes_while_it_is_copied_is_refused(tmp_path, monkeypatch, change):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"the file")
    new = hashlib.sha256

    def changing():
        path.write_bytes(change)
        return new()

    monkeypatch.setattr(snapshot.hashlib, "sha256", changing)
    with Snapshots() as copies, pytest.raises(InputRefusedError, match="changed while it was read"):
        copies.take(path)


def test_a_file_swapped_between_its_hash_and_its_copy_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"trusted")
    trust = Trust(frozenset({sha256(path)}))
    real = snapshot.digest_regular

    def then_swapped(path, *more):
        digest = real(path, *more)
        path.write_bytes(b"another")
        return digest

    monkeypatch.setattr(snapshot, "digest_regular", then_swapped)
    with Snapshots() as copies, pytest.raises(InputRefusedError, match="changed while it was read"):
        take_trusted(copies, path, "a pickle", trust)


def test_a_file_swapped_after_it_was_checked_is_not_what_is_loaded(tmp_path, monkeypatch):
    path = tmp_path / "model.pkl"
    rows = {"x": np.arange(5.0)}
    path.write_bytes(pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])))
    trust = Trust(frozenset({sha256(path)}), sandbox=isolation_here().complete)
    real = opening.open_in_worker

    def after_a_swap(*arguments, **more):
        path.write_bytes(pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [7.0, 7.0])))
        return real(*arguments, **more)

    monkeypatch.setattr(opening, "open_in_worker", after_a_swap)
    with opening.open_model(ModelSpec(kind="sklearn", path=path), trust=trust) as model:
        assert np.allclose(model.predict(rows).values[:, 0], rows["x"])
        assert model.info.sha256 in trust.digests


def test_what_a_killed_process_left_is_swept_up(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"x")
    script = (
        "import sys, time; from pathlib import Path; from auditkit.models.snapshot import Snapshots\n"
        f"copies = Snapshots(); print(copies.take(Path({str(path)!r})).path, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        copy = Path(process.stdout.readline().strip())
        with Snapshots() as copies:
            copies.take(path)
            assert copy.exists(), "the directory of a process that runs is its own"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert copy.exists()
    with Snapshots() as copies:
        copies.take(path)
    assert not copy.parent.exists()

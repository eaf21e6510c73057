"""What a model that runs code gets for each attempt to leave its worker: an errno, an ordinary error, an exit code."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from auditkit.core.model import Trusted
from auditkit.models.worker.client import Timeouts, WorkerModel, open_in_worker
from auditkit.models.worker.probe import isolation_here
from auditkit.models.worker.request import OpenRequest

PLANTED = Path(__file__).with_name("planted_model.py")
TRUSTED = (Trusted("model.py", "0" * 64, "digest"),)
OPTIONS = {"name": "model.py", "function": "predict", "outputs": None, "inputs": ["attempt"]}


@pytest.fixture(scope="module", autouse=True)
def contained() -> None:
    here = isolation_here()
    if not here.complete:
        pytest.skip(f"this machine can't contain a model: {here.lacks}")


def opened(path: Path, **more: object) -> WorkerModel:
    request = OpenRequest("python", path, "cpu", {**OPTIONS, **more}, reads=(path.parent,))
    return open_in_worker(request, "0" * 64, TRUSTED, Timeouts(open=120, predict=60, attribute=60))


@dataclass(frozen=True)
class Scene:
    """A user's files beside a model's folder, and what stands for them in the table."""

    root: Path

    @property
    def words(self) -> dict[str, str]:
        return {
            "SECRET": str(self.root / "secret.csv"),
            "FOLDER": str(self.root),
            "MODEL": str(self.root / "model" / "model.py"),
            "MODELS": str(self.root / "model"),
            "PACKAGES": str(Path(np.__file__).parent.parent),
            "PPID": str(os.getpid()),
            "HOME": str(Path.home()),
        }

    def resolve(self, attempt: str) -> str:
        name, bar, argument = attempt.partition("|")
        first, slash, rest = argument.partition("/")
        return f"{name}{bar}{self.words.get(first, first)}{slash}{rest}"


FILES = [
    ("read|/etc/passwd", "EACCES"), ("read|/etc/hostname", "EACCES"), ("read|SECRET", "EACCES"),
    ("list|FOLDER", "EACCES"), ("list|/", "EACCES"), ("list|/proc", "EACCES"), ("list|/proc/self/fd", "EACCES"),
    ("list|/home", "EACCES"), ("list|HOME", "EACCES"), ("list|/tmp", "EACCES"), ("read|/proc/self/environ", "EACCES"),
    ("read|/proc/self/mem", "EACCES"), ("read|/proc/self/mountinfo", "EACCES"),
    ("read|/proc/self/root/etc/passwd", "EACCES"), ("read|/proc/self/net/unix", "EACCES"),
    ("read|/proc/version", "EACCES"), ("read|/dev/kmsg", "EACCES"), ("read|/dev/tty", "EACCES"),
    ("write|FOLDER/new", "EACCES"), ("write|MODELS/new", "EACCES"), ("overwrite|SECRET", "EACCES"),
    ("overwrite|MODEL", "EACCES"), ("write|PACKAGES/planted.pth", "EACCES"), ("open-truncating|SECRET", "EACCES"),
    ("open-truncating|MODEL", "EACCES"), ("remove|SECRET", "EACCES"), ("remove|MODEL", "EACCES"),
    ("make-directory|FOLDER/new", "EACCES"), ("rename-into-home|SECRET", ("EACCES", "EXDEV")),
    ("rename-out-of-home|FOLDER/new", ("EACCES", "EXDEV")),
    ("write|/dev/shm/planted", ("EACCES", "ENOENT")), ("overwrite|/dev/null", "allowed"),
    ("truncate|SECRET", "EPERM"), ("hard-link|SECRET", "EPERM"), ("symlink|SECRET", "EPERM"), ("chmod|SECRET", "EPERM"),
    ("chown|SECRET", "EPERM"), ("touch|SECRET", "EPERM"), ("xattr|SECRET", "EPERM"), ("fifo", "EPERM"),
    ("read|MODEL", "allowed"), ("home-write", "allowed"), ("home-too-large", "EFBIG"),
]  # fmt: skip
OTHERS = [
    *((name, "EPERM") for name in (
        "tcp", "udp", "unix", "netlink", "socketpair", "connect", "bind", "fork", "spawn", "program", "execve", "clone",
        "memfd", "execveat", "ptrace", "peek", "pidfd", "kill", "kill-all", "kill-group", "tgkill", "typing",
        "own-signals", "tracer", "raise-limit", "affinity", "priority", "io_uring", "bpf", "userfaultfd", "perf",
        "keyring", "mount", "unshare", "setns", "chroot", "personality", "filter-more", "by-handle",
    )),
    ("read|/proc/PPID/environ", "EACCES"), ("read|/proc/PPID/mem", "EACCES"), ("read|/proc/PPID/cmdline", "EACCES"),
    ("clone3", "ENOSYS"), ("newer", "ENOSYS"), ("executable-memory", "allowed"), ("standard-input", "allowed"),
    ("environment|GITHUB_TOKEN", "absent"), ("environment|TMPDIR", "allowed"),
    *([("x32", "EPERM"), ("x32-fork", "EPERM")] if platform.machine() == "x86_64" else []),
]  # fmt: skip
ATTEMPTS = [*FILES, *OTHERS]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    root = tmp_path_factory.mktemp("user")
    (root / "secret.csv").write_text("income\n")
    (root / "model").mkdir()
    (root / "model" / "model.py").write_bytes(PLANTED.read_bytes())
    scene = Scene(root)
    lines = [resolved(scene, attempt) for attempt, _ in ATTEMPTS]
    (root / "model" / "attempts.txt").write_text("\n".join(lines))
    return scene


def resolved(scene: Scene, attempt: str) -> str:
    return scene.resolve(attempt).replace("/PPID/", f"/{scene.words['PPID']}/")


@pytest.fixture(scope="module")
def answers(scene: Scene) -> Iterator[dict[tuple[str, str], str]]:
    """Every attempt, once as the model is loaded and once as it predicts."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GITHUB_TOKEN", "secret")
    before = tree(scene.root)
    keys = [(when, resolved(scene, attempt)) for when in ("load", "predict") for attempt, _ in ATTEMPTS]
    cells = np.array(["|".join(key) for key in keys], dtype=object)
    with opened(scene.root / "model" / "model.py") as model:
        labels = model.predict({"attempt": cells}).labels
        assert labels is not None
        yield dict(zip(keys, labels.tolist(), strict=True))
    patch.undo()
    assert tree(scene.root) == before


def tree(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Contents, modes and times of all files."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(p.relative_to(root)): (p.read_bytes(), p.stat().st_mode, p.stat().st_mtime_ns) for p in files}


@pytest.mark.parametrize(("attempt", "expected"), ATTEMPTS)
@pytest.mark.parametrize("when", ["load", "predict"])
def test_every_attempt_has_its_errno(answers, scene, when, attempt, expected):
    found = answers[when, resolved(scene, attempt)]
    assert found in ((expected,) if isinstance(expected, str) else expected)

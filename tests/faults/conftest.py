"""The small project, trained and audited once without a disturbance."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import comparable, run
from tests.faults.project import PREDICTIONS, write_project


@pytest.fixture(autouse=True)
def small_shards() -> Iterator[None]:
    """Several shards also where the command line runs in this process; see `launch`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditkit.pipeline.audit.SHARD_ROWS", 128)
        patch.setattr("auditkit.pipeline.audit.BATCH_ROWS", 64)
        yield


@dataclass(frozen=True)
class Undisturbed:
    """A project, its plan, and what an undisturbed audit of it says."""

    plan: Path
    audit: dict[str, Any]
    out: Path
    #: How long it took.
    seconds: float
    #: How long the training took, where there was one.
    trained: float = 0.0

    @property
    def code(self) -> int:
        """The exit code of the undisturbed audit."""
        return int(self.audit["exit_code"])

    def copy(self, directory: Path) -> Path:
        """A copy of the project, to damage; returns its plan. Times stay, so that it is the same data."""
        shutil.copytree(self.plan.parent, directory)
        return directory / self.plan.name


def _audited(directory: Path, plan: Path, trained: float = 0.0) -> Undisturbed:
    out, temporary = directory / "out", directory / "tmp"
    began = time.monotonic()
    done = run("--quiet", "run", plan, "--out", out, temporary=temporary)
    assert done.code in (0, 1, 5), done.err
    return Undisturbed(plan, comparable(out), out, time.monotonic() - began, trained)


@pytest.fixture(scope="session")
def torch_audit(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """With a trained network, in a worker."""
    directory = tmp_path_factory.mktemp("faults-torch")
    plan = write_project(directory / "project")
    began = time.monotonic()
    done = run("--quiet", "train", plan, temporary=directory / "tmp")
    assert done.code == 0, done.err
    return _audited(directory, plan, time.monotonic() - began)


@pytest.fixture(scope="session")
def predictions_audit(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """With a model's answers in the file: no worker."""
    directory = tmp_path_factory.mktemp("faults-predictions")
    return _audited(directory, write_project(directory / "project", PREDICTIONS))

"""Fixtures that several parts of the tests share: a small trained model on real census data, and the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest_plugins = ("tests.faults.plugin",)

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams."""
        return self.out + self.err


@pytest.fixture
def auditkit(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Answer]]:
    """The command line in this process: `auditkit("run", "plan.yaml")`."""
    from auditkit.cli.main import main

    def call(*arguments: str | Path) -> Answer:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def census(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the census demo: train.parquet, test.parquet, audit.yaml, and a model trained for two epochs."""
    from auditkit.core.progress import SilentProgress
    from auditkit.demos.census import write_demo
    from auditkit.pipeline.load import load_plan
    from auditkit.pipeline.train import train_plan

    directory = tmp_path_factory.mktemp("census")
    plan = write_demo(directory)
    edit(plan, ("epochs: 12", "epochs: 2"))
    train_plan(load_plan(plan), out=None, resume=False, progress=SilentProgress())
    return directory


def edit(path: Path, *changes: Sequence[str]) -> Path:
    """Replace text in a file; every replacement must be there to be made."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{old!r} is not in {path.name}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def plain(text: str) -> str:
    """Text with runs of white space folded, so that wrapping doesn't matter."""
    return re.sub(r"\s+", " ", text)

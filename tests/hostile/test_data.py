"""Data files that are no data files: one clear line each, the right class of error, no hang."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.data.dataset import Dataset
from auditkit.data.spec import DataSpec
from tests.hostile.data_files import GOOD, REFUSED, arrow, save, table


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """A test here that takes ten seconds hangs."""

    def give_up(*_: object) -> None:
        raise AssertionError("hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def read_all(path: Path, **options: object) -> None:
    spec = DataSpec.model_validate({"splits": {"test": path}, "target": "y", "sensitive": ("sex",), **options})
    dataset = Dataset.open(spec)
    list(dataset.stream("test"))


@pytest.mark.parametrize(("name", "make", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_in_one_line(tmp_path: Path, name: str, make: Callable[[Path], object], message: str) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(InputRefusedError) as caught:
        read_all(path)
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"{name}: ")
    assert "\n" not in text
    assert len(text) < 320
    assert caught.value.exit_code == 4


def test_unreadable(tmp_path: Path) -> None:
    """As another user where the tests run as root, who may read everything."""
    path = tmp_path / "d.csv"
    path.write_text(GOOD)
    path.chmod(0)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    tmp_path.chmod(0o755)
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from auditkit.core.errors import InputRefusedError\n"
        "from auditkit.data.sources.files import open_regular\n"
        "os.getuid() or os.setuid(65534)\n"
        "try:\n"
        "    open_regular(Path(sys.argv[1])).__enter__()\n"
        "except InputRefusedError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "d.csv: no permission to read it\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.csv", "data.splits.test: no file 'nothing.csv'; did you mean 'nothings.csv'?"),
        ("dangling.csv", "data.splits.test: 'dangling.csv' is a link to a file that isn't there"),
        ("table.xlsx", "data.splits.test: 'table.xlsx' has no suffix that says its format"),
        ("a\0b.csv", "data.splits.test: the path holds a NUL character"),
    ],
)
def test_wrong_paths_are_the_plans_fault(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "nothings.csv").write_text(GOOD)
    (tmp_path / "table.xlsx").write_text(GOOD)
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "gone")
    with pytest.raises(PlanError) as caught:
        read_all(tmp_path / name)
    assert str(caught.value).startswith(message)
    assert caught.value.exit_code == 2


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\u202e.csv"
    path.write_bytes(b"")
    with pytest.raises(InputRefusedError) as caught:
        read_all(path)
    assert str(caught.value).isprintable()
    (tmp_path / "d.csv").write_text("age,\x1b[31msex,y\n1,f,0\n")
    with pytest.raises(PlanError) as plan:
        read_all(tmp_path / "d.csv")
    assert "\x1b" not in str(plan.value)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow", "jsonl"])
def test_replaced_between_hash_and_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"d.{suffix}"
    save(table(), path)
    spec = DataSpec(splits={"test": path}, target="y")
    dataset = Dataset.open(spec)
    other = tmp_path / f"other.{suffix}"
    save(table(), other)
    os.replace(other, path)
    with pytest.raises(InputRefusedError, match="changed while it was being read"):
        list(dataset.stream("test"))


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow", "jsonl"])
def test_written_to_during_a_pass(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"d.{suffix}"
    save(table(30_000), path)
    dataset = Dataset.open(DataSpec(splits={"test": path}, target="y"))
    stream = dataset.stream("test")
    next(stream)
    with path.open("ab") as file:
        file.write(b" ")
    with pytest.raises(InputRefusedError, match="changed while it was being read"):
        list(stream)


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_flipped_bytes_never_crash(tmp_path: Path, suffix: str) -> None:
    """Noise at random places of the binary formats: read, or refused; nothing else."""
    rng = np.random.default_rng(7)
    path = tmp_path / f"d.{suffix}"
    save(table(300), path)
    content = path.read_bytes()
    refused = 0
    for _ in range(100):
        noisy = bytearray(content)
        for place in rng.integers(0, len(noisy), 3):
            noisy[place] = int(rng.integers(0, 256))
        path.write_bytes(noisy)
        try:
            read_all(path)
        except (InputRefusedError, PlanError):
            refused += 1
    assert refused > 20


def test_a_footer_that_lies_about_rows(tmp_path: Path) -> None:
    """An Arrow batch that claims 2**40 rows of nothing."""
    path = tmp_path / "d.arrow"
    content = arrow(path)
    length = struct.pack("<q", 3)
    assert content.count(length)
    path.write_bytes(content.replace(length, struct.pack("<q", 1 << 40)))
    with pytest.raises(InputRefusedError):
        read_all(path)

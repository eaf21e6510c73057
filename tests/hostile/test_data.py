"""Data files that are no data files: one clear line each, the right class of error, no hang."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.data.dataset import Dataset
from auditkit.data.spec import DataSpec

GOOD = "age,sex,y\n1,f,0\n2,m,1\n"


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


def table(rows: int = 3) -> pa.Table:
    return pa.table({"age": list(range(rows)), "sex": ["f", "m", "f"] * (rows // 3), "y": [0, 1, 0] * (rows // 3)})


def parquet(path: Path, data: pa.Table | None = None) -> bytes:
    pq.write_table(table() if data is None else data, path)
    return path.read_bytes()


def arrow(path: Path, data: pa.Table | None = None) -> bytes:
    with ipc.new_file(path, table().schema if data is None else data.schema) as writer:
        writer.write_table(table() if data is None else data)
    return path.read_bytes()


def write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def truncated(make: Callable[[Path], bytes], keep: float) -> Callable[[Path], object]:
    def build(path: Path) -> None:
        content = make(path)
        path.write_bytes(content[: int(len(content) * keep)])

    return build


def damaged_page(path: Path) -> None:
    """Parquet whose footer is whole and whose first page is noise."""
    content = bytearray(parquet(path, table(3000)))
    content[4:200] = bytes(np.random.default_rng(0).integers(0, 256, 196, dtype=np.uint8))
    path.write_bytes(content)


def bad_offsets(path: Path) -> None:
    """Arrow whose text offsets point far out of the buffer."""
    offsets = np.array([0, 1, 1 << 30, 3], dtype=np.int32)
    sex = pa.StringArray.from_buffers(3, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"fmf"))
    data = pa.record_batch({"age": pa.array([1, 2, 3]), "sex": sex, "y": pa.array([0, 1, 0])})
    with ipc.new_file(path, data.schema) as writer:
        writer.write_batch(data)


def bad_text(path: Path) -> None:
    """Parquet whose text is not UTF-8."""
    sex = pa.array([b"f", b"\xff\xfe", b"m"], pa.binary()).cast(pa.string(), safe=False)
    parquet(path, pa.table({"age": [1, 2, 3], "sex": sex, "y": [0, 1, 0]}))


def double_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["y", "y"]), path)


def bomb(path: Path) -> None:
    """A small Parquet file with pages of zeros that inflate to more than 256 MiB."""
    zeros = pa.array(np.zeros(40_000_000))
    pq.write_table(
        pa.table({"age": zeros, "sex": zeros, "y": zeros}),
        path,
        compression="zstd",
        use_dictionary=False,
        row_group_size=40_000_000,
    )


def loop(path: Path) -> None:
    path.symlink_to(path)


def link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def sock(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path must be short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


REFUSED: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("empty csv", "d.csv", write(b""), "the file is empty"),
    ("empty parquet", "d.parquet", write(b""), "the file is empty"),
    ("blank lines", "d.csv", write(b"\n\n\n"), "no rows in it"),
    ("header only", "d.csv", write(b"age,sex,y\n"), "but no rows"),
    ("header only, no newline", "d.csv", write(b"age,sex,y"), "no rows in it"),
    ("no rows in parquet", "d.parquet", lambda p: parquet(p, table().slice(0, 0)), "but no rows"),
    ("no rows in arrow", "d.arrow", lambda p: arrow(p, table().slice(0, 0)), "but no rows"),
    ("no rows in jsonl", "d.jsonl", write(b"\n\n"), "no rows in it"),
    ("latin-1", "d.csv", write("age,sex,y\n1,f,0\n2,ü,1\n".encode("latin-1")), "line 3 is not UTF-8"),
    ("utf-16", "d.csv", write(GOOD.encode("utf-16")), "UTF-16"),
    ("cut in a character", "d.csv", write((GOOD + "3,ü").encode()[:-1]), "ends inside a UTF-8 character"),
    ("NUL", "d.csv", write(b"age,sex,y\n1,f\0,0\n"), "line 2 holds a NUL byte"),
    ("NUL in jsonl", "d.jsonl", write(b'{"age": 1}\n\0\0\n'), "line 2 holds a NUL byte"),
    ("truncated parquet", "d.parquet", truncated(parquet, 0.7), "damaged or cut off"),
    ("four bytes of parquet", "d.parquet", write(b"PAR1"), "damaged or cut off"),
    ("damaged parquet page", "d.parquet", damaged_page, "damaged or cut off"),
    ("parquet text not UTF-8", "d.parquet", bad_text, "damaged or cut off"),
    ("truncated arrow", "d.arrow", truncated(arrow, 0.7), "damaged or cut off"),
    ("arrow offsets out of bounds", "d.arrow", bad_offsets, "damaged or cut off"),
    ("arrow garbage", "d.arrow", write(b"\x10\x20\x30\x40" * 99), "damaged or cut off"),
    ("feather 1", "d.feather", write(b"FEA1" + b"\0" * 99), "first version"),
    ("html", "d.csv", write(b"\n<!DOCTYPE html>\n<html><body>404</body></html>"), "HTML"),
    ("html as parquet", "d.parquet", write(b"<html><head><title>502</title>"), "HTML"),
    ("xml", "d.jsonl", write(b'\xef\xbb\xbf<?xml version="1.0"?><Error/>'), "HTML or XML"),
    (
        "git lfs",
        "d.parquet",
        write(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"),
        "Git LFS pointer, not the data; run `git lfs pull`",
    ),
    ("gzip", "d.csv", write(gzip.compress(GOOD.encode())), "gzip-compressed"),
    ("zip", "d.csv", write(b"PK\x03\x04" + b"\0" * 50), "zip archive"),
    ("parquet as csv", "d.csv", lambda p: parquet(p), "a Parquet file; give it the suffix .parquet"),
    ("pickle", "d.csv", write(b"\x80\x04\x95"), "pickle"),
    ("fifo", "d.csv", lambda p: os.mkfifo(p), "a named pipe (FIFO)"),
    ("fifo without a suffix", "pipe", lambda p: os.mkfifo(p), "a named pipe (FIFO)"),
    ("/dev/zero", "d.csv", link_to("/dev/zero"), "a device"),
    ("socket", "d.csv", sock, "a socket"),
    ("directory", "d.csv", lambda p: p.mkdir(), "a directory"),
    ("link loop", "d.csv", loop, "loop of symbolic links"),
    (
        "row too long",
        "d.csv",
        write(b"age,sex,y\n1,f,0\n2,m,1,9\n"),
        "data row 2 has more cells than the header (4 instead",
    ),
    (
        "row too short",
        "d.csv",
        write(b"age,sex,y\n1,f,0\n2,m\n"),
        "data row 2 has fewer cells than the header (2 instead",
    ),
    ("duplicate column", "d.csv", write(b"age,y,y\n1,2,3\n"), "two columns have the name 'y'"),
    ("duplicate column in parquet", "d.parquet", double_parquet, "two columns have the name 'y'"),
    ("duplicate key", "d.jsonl", write(b'{"y": 1}\n{"y": 1, "y": 2}\n'), "line 2 has the key 'y' twice"),
    ("semicolons", "d.csv", write(b"age;sex;y\n1;f;0\n"), "separated by ';'"),
    (
        "open quote at the end",
        "d.csv",
        write(b'age,sex,y\n1,f,0\n2,m,"1\n3,f,0\n4,m,1\n'),
        "data row 2, column 'y', is never",
    ),
    ("endless quote", "d.csv", write(b'age,sex,y\n1,"f,0\n' + b"2,m,1\n" * 300_000), "is a quote left open?"),
    ("jsonl syntax", "d.jsonl", write(b'{"y": 1}\n{"y": 1,}\n'), "line 2 is no JSON"),
    ("jsonl array", "d.jsonl", write(b'{"y": 1}\n[1]\n'), "line 2 is no JSON object"),
    ("jsonl depth", "d.jsonl", write(b'{"y": ' + b"[" * 100_000), "line 1 "),
    ("jsonl digits", "d.jsonl", write(b'{"y": ' + b"9" * 10_000 + b"}"), "line 1 holds a number of too many digits"),
    (
        "jsonl surrogate",
        "d.jsonl",
        write(b'{"age": 1, "sex": "\\ud800", "y": 1}\n'),
        "d.jsonl: the JSON Lines file can't",
    ),
    ("jsonl endless line", "d.jsonl", write(b'{"y": "' + b"x" * (5 << 20)), "line 1 is longer than 4 MiB"),
    (
        "cell too long",
        "d.csv",
        write(b"age,sex,y\n1,f,0\n1," + b"f" * 70_000 + b",0\n"),
        "data row 2, column 'sex' takes 70,000",
    ),
    ("parquet bomb", "d.parquet", bomb, "would inflate to"),
]


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


def save(data: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        parquet(path, data)
    elif path.suffix == ".arrow":
        arrow(path, data)
    else:
        frame = data.to_pandas()
        path.write_text(
            frame.to_csv(index=False) if path.suffix == ".csv" else frame.to_json(orient="records", lines=True)
        )


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

"""Data files that are no data files, each written by a function of its own: what the tests of reading and of the
command line share."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

GOOD = "age,sex,y\n1,f,0\n2,m,1\n"


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


#: What it is, the file's name, how it is made, and what is said of it.
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

"""Row: decompression bombs (gzip, PNG, zip), zip-slip → exit 4, bounded memory.

Each runs in a process that may take no more than `SPACE` of address space beyond what it has once everything is
imported; it would die of an attempt to unpack them.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from tests.hostile.table.project import Cli, call, error_line

SPACE = 700 << 20
BOUNDED = """
import resource, sys
from auditkit.cli.main import main
import auditkit.pipeline.gate_file, pandas, pyarrow.parquet, pyarrow.ipc, pyarrow.csv
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
code = main(sys.argv[2:])
sys.stdout.flush()
sys.stderr.flush()
# Threads of the reader may not end in order where the address space is used up; what was answered counts.
import os
os._exit(code)
"""


def gzip_csv(path: Path) -> None:
    path.write_bytes(gzip.compress(b"y,p\n" + b"1,1\n" * 10_000_000, 1))


def zip_csv(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d.csv", b"y,p\n" + b"1,1\n" * 10_000_000)


def png(path: Path) -> None:
    """100,000 by 100,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10_000_000))) + chunk(b"IEND", b"")
    )


def parquet_pages(path: Path) -> None:
    """Pages of zeros, 30,000 to one."""
    zeros = pa.array(np.zeros(40_000_000))
    table = pa.table({"y": zeros, "p": zeros})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, row_group_size=40_000_000)


def parquet_dictionary(path: Path) -> None:
    """A dictionary with one text of 30 MB, which a thousand rows share."""
    text = pa.array(["x" * 30_000_000], pa.string())
    rows = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000, np.int8)), text)
    pq.write_table(pa.table({"y": rows, "p": rows}), path, compression="zstd", store_schema=False)


def parquet_rows(path: Path) -> None:
    """A footer that promises 2^40 rows."""
    pq.write_table(pa.table({"y": [0, 1] * 1_500, "p": [0, 1] * 1_500}), path)
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[-8:-4])
    footer = content[-8 - length : -8]
    promised = footer.replace(b"\x16" + varint(3_000 * 2), b"\x16" + varint((1 << 40) * 2))
    assert promised != footer
    path.write_bytes(content[: -8 - length] + promised + struct.pack("<I", len(promised)) + b"PAR1")


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def zstandard(size: int) -> bytes:
    """A frame (RFC 8878) of blocks that each repeat a zero 128 Ki times."""
    blocks = size >> 17
    heads = [(int(i == blocks - 1) | 1 << 1 | 1 << 17 << 3).to_bytes(3, "little") for i in range(blocks)]
    return struct.pack("<I", 0xFD2FB528) + b"\0\x38" + b"".join(head + b"\0" for head in heads)


def arrow(path: Path, *, stream: bool, size: int = 4 << 30) -> None:
    """A column that unpacks to `size` bytes of zeros, in the place of a column of noise."""
    frame = struct.pack("<q", size) + zstandard(size)
    noise = np.random.default_rng(0).bytes(480_000)
    column = pa.Array.from_buffers(pa.float64(), 60_000, [None, pa.py_buffer(noise)])
    batch = pa.record_batch({"y": column})
    raw = io.BytesIO()
    options = ipc.IpcWriteOptions(compression="zstd")
    with (ipc.new_stream if stream else ipc.new_file)(raw, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    content, old = raw.getvalue(), pa.compress(noise, codec="zstd", asbytes=True)
    at = content.index(struct.pack("<q", len(noise)) + old)
    # What is left of the old frame becomes one that Zstandard skips.
    room = 8 + len(old) - len(frame)
    skipped = struct.pack("<II", 0x184D2A50, room - 8) + bytes(room - 8)
    path.write_bytes(content[:at] + frame + skipped + content[at + 8 + len(old) :])


def wide_csv(path: Path) -> None:
    path.write_bytes(b"y,p," + b",".join(b"%d" % i for i in range(60_000)) + b"\n" + b"1," * 60_001 + b"1\n")


def endless_header(path: Path) -> None:
    path.write_bytes(b"y,p," + b",".join(b"%d" % i for i in range(3_000_000)) + b"\n" + b"1,1\n" * 9)


def wide_jsonl(path: Path) -> None:
    path.write_text("{" + ", ".join(f'"{i}": 1' for i in range(200_000)) + "}\n")


def deep_jsonl(path: Path) -> None:
    path.write_text('{"y": ' + '{"a":' * 700_000 + "\n")


def repeated_jsonl(path: Path) -> None:
    keys = [*(f'"{i}": 1' for i in range(250_000)), '"y": 1, "y": 2']
    path.write_text("{" + ", ".join(keys) + "}\n")


CASES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "gzip": ("d.csv", gzip_csv, "gzip-compressed"),
    "zip": ("d.csv", zip_csv, "zip archive"),
    "PNG": ("d.csv", png, "d.csv: "),
    "Parquet pages": ("d.parquet", parquet_pages, "would inflate to"),
    "Parquet dictionary": ("d.parquet", parquet_dictionary, "d.parquet: "),
    "Parquet rows": ("d.parquet", parquet_rows, "d.parquet: "),
    "Arrow file": ("d.arrow", lambda p: arrow(p, stream=False), "a record batch takes more than 2 GiB"),
    "Arrow stream": ("d.arrow", lambda p: arrow(p, stream=True), "a record batch takes more than 2 GiB"),
    "columns of a CSV": ("d.csv", wide_csv, "more than the 50,000 columns"),
    "a header of 23 MB": ("d.csv", endless_header, "header"),
    "keys of a JSON line": ("d.jsonl", wide_jsonl, "more than the 50,000 columns"),
    "brackets of a JSON line": ("d.jsonl", deep_jsonl, "brackets too deep"),
    "a key twice among many": ("d.jsonl", repeated_jsonl, "has the key 'y' twice"),
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc/self/statm to see what a process takes")
@pytest.mark.parametrize("name", CASES)
def test_a_bomb_takes_no_memory(tmp_path: Path, name: str) -> None:
    file, make, message = CASES[name]
    make(tmp_path / file)
    told = ["gate", str(tmp_path / file), "--target", "y", "--prediction", "p", "--min", "accuracy=0.5"]
    arguments = [sys.executable, "-c", BOUNDED, str(SPACE), *told]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=100)
    assert done.returncode == 4, done.stderr[-1_000:]
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
def test_the_arrow_bomb_is_one(tmp_path: Path, stream: bool) -> None:
    """A small one unpacks, so that the large one would."""
    arrow(tmp_path / "d.arrow", stream=stream, size=8 << 20)
    read = (ipc.open_stream if stream else ipc.open_file)(pa.OSFile(str(tmp_path / "d.arrow"))).read_all()
    assert read.get_total_buffer_size() == 8 << 20
    assert set(read["y"].to_pylist()) == {0.0}


SLIPS = ["../escaped", "/tmp/escaped", "sub/../../escaped", "..\\escaped"]


@pytest.mark.parametrize("name", SLIPS)
def test_a_member_that_leaves_the_archive(auditkit: Cli, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr(name, "x")
    assert refused_model(auditkit, tmp_path, "which skops never writes")
    assert not (tmp_path / "escaped").exists()


def test_a_member_that_inflates(auditkit: Cli, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("0.npy", bytes(300 << 20))
    assert refused_model(auditkit, tmp_path, "a zip bomb")


def refused_model(auditkit: Cli, directory: Path, message: str) -> bool:
    (directory / "d.csv").write_text("age,y\n1,0\n2,1\n")
    plan = {
        "name": "m",
        "model": {"kind": "sklearn", "path": "model.skops"},
        "data": {"splits": {"test": "d.csv"}, "target": "y", "positive": 1, "inputs": {"age": "numeric"}},
        "gates": "none",
    }
    (directory / "plan.yaml").write_text(json.dumps(plan))
    answer = auditkit("run", directory / "plan.yaml", "--out", directory / "out")
    assert answer.code == 4, answer.text
    return message in error_line(answer)


def test_a_column_may_not_lead_out_of_its_table(auditkit: Cli, tmp_path: Path) -> None:
    """A name that looks like a path names a column, and nothing else."""
    (tmp_path / "d.csv").write_text("y,p\n0,0\n1,1\n")
    answer = call(auditkit, "run", tmp_path / "d.csv", prediction="../../etc/passwd")
    assert answer.code == 2
    assert "no column '../../etc/passwd'" in answer.err

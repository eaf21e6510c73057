"""What the fuzzers found, one input for each cause: each of these ended in a traceback once."""

from __future__ import annotations

import io
import json
import math
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from auditkit.core.errors import PlanError, Problem
from auditkit.data.sources.ipc_messages import unpacked_sizes
from tests.fuzz.target import attempt
from tests.fuzz.targets import TARGETS
from tests.fuzz.targets.plans import GOOD
from tests.fuzz.targets.results import audits


def plan(old: str, new: str) -> bytes:
    assert old in GOOD[0]
    return GOOD[0].replace(old, new).encode()


def audit(edit: Callable[[dict[str, Any]], object]) -> bytes:
    tree = json.loads(audits()[0])
    edit(tree)
    return json.dumps(tree).encode()


def first(**fields: Any) -> bytes:
    return audit(lambda tree: tree["findings"][0].update(fields))


GATE_PLAN: dict[str, Any] = {
    "model": {"kind": "predictions", "prediction": "p"},
    "data": {"splits": {"test": "t.csv"}, "target": "y", "sensitive": ["g"]},
    "checks": {},
    "gates": [{"check": "bias.groups", "metric": "accuracy", "by": ["g"], "min": 0.5}],
}


def odd_plan(section: str, value: Any) -> bytes:
    return audit(lambda tree: tree.update(plan={**GATE_PLAN, section: value}, context={}))


SHORT = {"title": "t", "columns": ["a", "b"], "rows": [["x"], ["x", "y"]]}


def encrypted_skops() -> bytes:
    """The flags of all members say that they are encrypted."""
    content = bytearray(TARGETS["skops"].seeds()[0])
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(signature, at + 1)
    return bytes(content)


def endless_offset() -> bytes:
    """A member that starts 2^63 bytes into the file, by a field of ZIP64 (APPNOTE 4.5.3)."""
    name, content = b"schema.json", b"{}"
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0, 0, 2, 2, len(name), 0) + name + content
    extra = struct.pack("<HHQ", 1, 8, 1 << 63)
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 45, 45, 0, 0, 0, 0, 0, 2, 2, len(name), len(extra), 0, 0, 0, 0, 2**32 - 1
    )
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central) + len(name) + len(extra), len(local), 0)
    return local + central + name + extra + end


def dates(values: list[int], kind: pa.DataType) -> bytes:
    stream = io.BytesIO()
    dated = pa.table({"y": ["no", "yes"], "p": ["no", "yes"], "s": [0.1, 0.9], "w": [1, 1], "c": [1, 2]})
    dated = dated.append_column("sex", pa.array(values, kind))
    with ipc.new_file(stream, dated.schema) as writer:
        writer.write_table(dated)
    return stream.getvalue()


def damaged_deflate() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}" + " " * 500)
    content = bytearray(stream.getvalue())
    content[30 + len("schema.json")] = 0xFF
    return bytes(content)


ODD_WEIGHT = b"y,p,s,sex,w,c\nyes,yes,0.5,f," + b"x" * 3000 + b",1\nno,no,0.5,m,1,1\n"
DEEP = b"[" * 100_000
FOUND = [
    ("plan", "refused", plan("seed: 1", "seed: !!int x"), "a tag that its value does not fit"),
    ("plan", "refused", plan("seed: 1", "seed: !!float x"), "the same of a number"),
    ("plan", "refused", plan("use: x", "use: !!bool maybe"), "read as false"),
    ("plan", "refused", plan("use: x", "use: !!null maybe"), "read as nothing"),
    ("plan", "refused", plan("seed: 1", "seed: " + "9" * 5000), "more digits than Python reads"),
    ("plan", "refused", plan("seed: 1", "seed: 0x" + "f" * 5000), "more digits than Python writes"),
    ("plan", "refused", plan("max: 0.1", "max: ²%"), "isdigit() is true of it, and float() fails"),
    ("plan", "refused", plan("use: x", "a[²]: x"), "the same of an index"),
    ("plan", "refused", plan("x: numeric", "x: " + "9" * 3000), "the whole value stood in the message"),
    ("plan", "refused", GOOD[2].replace("model.skops", "m" * 300).encode(), "a path longer than names may be"),
    ("gate-line", "accepted", "--target=y\n--prediction=p\n--min=f1=²%".encode(), "the same of a bound"),
    ("audit-json", "refused", first(tables=[SHORT]), "a table that is no rectangle"),
    ("audit-json", "refused", first(confidence=math.nan), "not a number"),
    (
        "audit-json",
        "refused",
        audit(lambda tree: tree["plan"].update(x=math.inf)),
        "infinity, where anything may stand",
    ),
    ("audit-json", "refused", first(status="pass", value=None, interval=None), "a pass of nothing"),
    ("audit-json", "refused", first(status="pass", value=0.5, interval=None, gate=None), "a pass without a gate"),
    ("audit-json", "refused", first(value=0.5, interval=[0.6, 0.7]), "a value beside its interval"),
    ("audit-json", "refused", first(value=None, interval=[0.7, 0.6]), "an interval that ends before it starts"),
    ("audit-json", "accepted", odd_plan("gates", [{"metric": "accuracy"}]), "a gate without a check"),
    ("audit-json", "accepted", odd_plan("gates", [{**GATE_PLAN["gates"][0], "by": [1]}]), "a gate by a number"),
    ("audit-json", "accepted", odd_plan("gates", [{**GATE_PLAN["gates"][0], "max": "x"}]), "a bound that is text"),
    ("audit-json", "accepted", odd_plan("data", {**GATE_PLAN["data"], "sensitive": 5}), "a number of columns"),
    ("audit-json", "accepted", odd_plan("data", {**GATE_PLAN["data"], "bands": {"g": ["x"]}}), "an edge that is text"),
    ("audit-json", "accepted", odd_plan("data", {**GATE_PLAN["data"], "bands": "g"}), "bands that are text"),
    ("audit-json", "accepted", odd_plan("model", [1]), "a model that is a list"),
    ("csv", "refused", ODD_WEIGHT, "the whole cell stood in the message"),
    ("skops", "refused", encrypted_skops(), "zipfile asks for a password by a RuntimeError"),
    ("skops", "refused", damaged_deflate(), "and lets zlib's own error through"),
    ("skops", "refused", endless_offset(), "and an offset that Python's files can't seek to"),
    ("arrow", "refused", dates([0, 10**18], pa.timestamp("s")), "a date that Python has none of"),
    ("arrow", "refused", dates([0, 10**9], pa.date32()), "the same in days"),
    ("arrow", "accepted", dates([0, 10**9], pa.timestamp("s", tz="UTC")), "not one that it has"),
    ("journal", "accepted", DEEP + b"\n", "brackets deeper than Python reads"),
    ("kept-checks", "accepted", DEEP, "the same in the findings of a check"),
]


@pytest.mark.parametrize(("name", "outcome", "data"), [case[:3] for case in FOUND], ids=[case[3] for case in FOUND])
def test_found(tmp_path: Path, name: str, outcome: str, data: bytes) -> None:
    assert attempt(TARGETS[name], data, tmp_path) == outcome


def test_evidence_whose_column_names_are_no_text(tmp_path: Path) -> None:
    """pyarrow raises what no other damage makes it raise."""
    target = TARGETS["evidence"]
    content = target.seeds()[0]
    (length,) = struct.unpack("<I", content[-8:-4])
    footer = content[-8 - length : -8]
    for name in (b"split", b"row"):
        damaged = content[: -8 - length] + footer.replace(name, b"\x80" * len(name)) + content[-8:]
        assert damaged != content
        attempt(target, damaged, tmp_path)


def test_what_a_plan_says_can_neither_flood_nor_break_a_message() -> None:
    error = PlanError([Problem("a\nb" * 5000, "no column 'x\ny'" * 5000, 3)], "plan.yaml")
    assert len(str(error)) < 1500
    assert str(error).count("\n") == 1
    many = PlanError([Problem(f"key{k}", "unknown") for k in range(5_000)], "plan.yaml")
    assert str(many).startswith("plan.yaml: 5,000 problems\n")
    assert str(many).endswith("\n  ... and 4,800 more")
    assert len(many.problems) == 5_000


def test_a_page_that_claims_more_bytes_than_its_file_has(tmp_path: Path) -> None:
    """Arrow makes room for what a page's header claims before it reads a byte: 784 MiB for a file of 4 KB."""
    path = tmp_path / "p.parquet"
    options = {"compression": "none", "use_dictionary": False, "data_page_size": 8 << 20, "write_statistics": False}
    pq.write_table(pa.table({"s": ["x" * 100] * 20_000}), path, **options)
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    size = bytes(content[start + 3 : start + 7])  # 15 00: a data page; 15: its size, four bytes; 15: the same as stored
    assert content[start : start + 12] == b"\x15\x00\x15" + size + b"\x15" + size
    content[start + 8 : start + 12] = b"\xfe\xff\xff\x7f"  # 134,217,727 in zigzag
    path.write_bytes(content)
    script = (
        "import sys, pathlib, pyarrow\n"
        "from auditkit.core.errors import InputRefusedError\n"
        "from auditkit.data.sources.opening import open_source\n"
        "try:\n"
        "    list(open_source(pathlib.Path(sys.argv[1])).batches(['s']))\n"
        "except InputRefusedError as error:\n"
        "    print(pyarrow.default_memory_pool().max_memory() >> 20, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    megabytes, _, message = done.stdout.partition(" ")
    assert "damaged or cut off" in message
    assert int(megabytes) < 60


def test_an_arrow_footer_whose_blocks_all_name_the_same_bytes(tmp_path: Path) -> None:
    """Each block is read once: a footer of a megabyte could have a file of gigabytes read."""
    path = tmp_path / "p.arrow"
    table = pa.table({"y": [0, 1] * 100, "p": [0, 1] * 100})
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    content = path.read_bytes()
    (length,) = struct.unpack("<i", content[-10:-6])
    before, forged = content[: -10 - length], content[-10 - length :]
    # A block: the place of a message, the size of its metadata, the size of its body; one struct behind the other.
    places = [match.start() for match in re.finditer(re.escape(b"\xff\xff\xff\xff"), before)]
    for place in places:
        found = re.search(re.escape(struct.pack("<q", place)) + rb".{2}\0{6}.{6}\0\0", forged, re.DOTALL)
        if found is not None:
            block = struct.pack("<qi4xq", places[1], len(before) // 2, 0)
            forged = forged[: found.start()] + block + forged[found.end() :]
    assert forged.count(struct.pack("<qi", places[1], len(before) // 2)) == 100
    path.write_bytes(before + forged)
    with path.open("rb") as stream, pytest.raises(struct.error, match="others name"):
        list(unpacked_sizes(stream, file=True))

"""The zip table of torch files: forged in each field, refused in one line before torch reads a byte."""

import contextlib
import io
import struct
import tracemalloc
import zipfile
import zlib

import pytest
import torch

from auditkit.core.errors import InputRefusedError
from auditkit.models.torch_file.archive import TorchFile, check_torch_file
from auditkit.models.torch_file.zip_check import MAX_ENTRIES, read_zip
from tests.hostile.torch_files import Entry, forged, plain_entries, saved, zip_of


def check(content: bytes) -> TorchFile | None:
    return check_torch_file(io.BytesIO(content), len(content), "model.pt")


def refused(content: bytes, message: str) -> None:
    with pytest.raises(InputRefusedError, match=message) as caught:
        check(content)
    text = str(caught.value)
    assert text.startswith("model.pt: ")
    assert len(text.splitlines()) == 1
    assert len(text) < 600


def with_first(**changes: object) -> bytes:
    """The plain archive with something else in its first entry."""
    first, *rest = plain_entries()
    for name, value in changes.items():
        setattr(first, name, value)
    return forged([first, *rest])


def test_a_plain_archive_passes_and_says_what_lies_where():
    content = forged(plain_entries())
    assert check(content) == TorchFile("state_dict", "a state_dict")
    table = read_zip(io.BytesIO(content), len(content), "model.pt")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {f"m/{name}" for name in table.entries} == set(archive.namelist())
        for name, entry in table.entries.items():
            expected = archive.read(f"m/{name}")
            assert content[entry.start : entry.start + entry.size] == expected
            assert table.read(io.BytesIO(content), name, 1 << 20) == expected


SIZE = len(plain_entries()[0].data)
FORGED = [
    ("two names", [*plain_entries(), Entry(b"m/data/0", bytes(16))], "two entries named 'data/0'"),
    ("names but for case", [*plain_entries(), Entry(b"m/DATA.PKL", b"x")], "two entries named 'DATA.PKL' but for case"),
    ("two folders", [*plain_entries(), Entry(b"n/data/1", b"x")], "2 folders"),
    ("bare entry", [Entry(b"data.pkl", b"x")], "a bare entry"),
    ("parent", [*plain_entries(), Entry(b"m/../x", b"x")], "torch never writes"),
    ("absolute", [Entry(b"/m/data.pkl", b"x")], "torch never writes"),
    ("backslash", [*plain_entries(), Entry(b"m/a\\b", b"x")], "torch never writes"),
    ("a folder", [*plain_entries(), Entry(b"m/data/", b"")], "torch never writes"),
    ("control", [*plain_entries(), Entry(b"m/a\x1b[2J", b"x")], "torch never writes"),
    ("NUL", [*plain_entries(), Entry(b"m/data.pkl\0x", b"x")], "torch never writes"),
    ("no text", [*plain_entries(), Entry(b"m/\xff\xfe", b"x")], "no text"),
    ("long name", [*plain_entries(), Entry(b"m/" + b"x" * 2_000, b"x")], "torch never writes"),
    ("foreign entry", [*plain_entries(), Entry(b"m/run.sh", b"x")], "'run.sh' that torch.save never writes"),
]


@pytest.mark.parametrize(("entries", "message"), [c[1:] for c in FORGED], ids=[c[0] for c in FORGED])
def test_names(entries, message):
    refused(forged(entries), message)


LIES = [
    ("encrypted", {"local": {"flags": 1}, "central": {"flags": 1}}, "encrypted"),
    ("strongly encrypted", {"local": {"flags": 0x40}, "central": {"flags": 0x40}}, "encrypted"),
    ("other local name", {"local": {"name": b"m/data.plk"}}, "disagree"),
    ("other local size", {"local": {"stored": SIZE - 1, "size": SIZE - 1}}, "disagree"),
    ("other local method", {"local": {"method": 8}}, "disagree"),
    ("other local flags", {"local": {"flags": 0x800}}, "disagree"),
    ("other local checksum", {"local": {"crc": 7}}, "disagree"),
    ("no descriptor", {"local": {"flags": 8}, "central": {"flags": 8}}, "descriptor"),
    ("smaller in the directory", {"central": {"stored": SIZE - 1, "size": SIZE - 1}}, "disagree"),
    ("larger in the directory", {"central": {"stored": SIZE + 9, "size": SIZE + 9}}, "disagree"),
    ("two sizes", {"central": {"size": 1 << 31}, "local": {"size": 1 << 31}}, "stored, but in two sizes"),
    ("reaches beyond", {c: {"stored": 1 << 30, "size": 1 << 30} for c in ("local", "central")}, "beyond|outside"),
    ("method 12", {"local": {"method": 12}, "central": {"method": 12}}, "compressed"),
    ("another disk", {"central": {"disk": 1}}, "directory is malformed"),
    ("a comment", {"central": {"comment": b"x"}}, "directory is malformed"),
    ("a second name", {"central": {"extra": struct.pack("<HH", 0x7075, 6) + b"123456"}}, "extra fields"),
    ("a second local name", {"local": {"extra": struct.pack("<HH", 0x7075, 6) + b"123456"}}, "extra fields"),
    ("an extra field cut off", {"central": {"extra": b"FB\xff\x00"}}, "extra fields"),
    ("zip64 without sizes", {"central": {"size": 0xFFFFFFFF, "stored": 0xFFFFFFFF}}, "zip64 sizes"),
    ("a shifted offset", {"central": {"offset": 1}}, "overlap, or leave a gap"),
    ("a gap before", {"before": b"GIF89a"}, "none of|overlap"),
    ("a gap behind", {"after": b"\0" * 8}, "overlap, or leave a gap"),
]


@pytest.mark.parametrize(("changes", "message"), [c[1:] for c in LIES], ids=[c[0] for c in LIES])
def test_headers_that_lie(changes, message):
    content = with_first(**changes)
    if not content.startswith(b"PK"):
        assert check(content) is None
    else:
        refused(content, message)


def test_sizes_of_more_than_32_bits_are_read_from_their_field():
    """As torch writes them above 4 GiB: 0xFFFFFFFF, and the sizes in the zip64 field."""
    first, *rest = plain_entries()
    wide = struct.pack("<HHQQ", 1, 16, SIZE, SIZE)
    words = {"size": 0xFFFFFFFF, "stored": 0xFFFFFFFF, "extra": wide}
    plain = Entry(first.name, first.data, local=words, central=words)
    assert check(forged([plain, *rest])) == TorchFile("state_dict", "a state_dict")
    lying = {**words, "extra": struct.pack("<HHQQ", 1, 16, SIZE, SIZE - 1)}
    refused(forged([Entry(first.name, first.data, local=words, central=lying), *rest]), "disagree|two sizes")
    twice = {**words, "extra": wide + wide}
    refused(forged([Entry(first.name, first.data, local=twice, central=twice), *rest]), "extra fields")


def test_entries_that_share_bytes():
    first, *rest = plain_entries()
    twin = Entry(b"m/data/1", first.data, central={"offset": 0, "twin": True})
    refused(forged([first, *rest, twin]), "overlap")
    # A whole second local header hidden inside of the data of an entry.
    inner = forged([Entry(b"m/data/1", bytes(16))])
    host = Entry(b"m/data/2", inner)
    offset = (
        len(forged([*plain_entries()], count=0, size=0, start=0)) - 22 - sum(46 + len(e.name) for e in plain_entries())
    )
    hidden = Entry(b"m/data/1", bytes(16), central={"offset": offset + 30 + len(host.name), "twin": True})
    refused(forged([*plain_entries(), host, hidden]), "overlap")


ENDS = [
    ("followed by bytes", {"tail": b"junk"}, "does not end with the end record"),
    ("followed by a pickle", {"tail": b"\x80\x02cos\nsystem\n."}, "does not end with the end record"),
    ("a comment", {"comment": b"\x80\x02."}, "does not end with the end record"),
    ("a gap", {"gap": b"\0" * 100}, "bytes between|gap"),
    ("fewer entries", {"count": 3}, "belong to no entry"),
    ("more entries", {"count": 5}, "forged or broken"),
    ("no entries", {"count": 0, "size": 0}, "not where its end record says"),
    ("a larger directory", {"size": 10_000}, "not where"),
    ("an earlier directory", {"start": 0}, "not where"),
    ("several disks", {"disk": 1}, "not where"),
]


@pytest.mark.parametrize(("changes", "message"), [c[1:] for c in ENDS], ids=[c[0] for c in ENDS])
def test_end_records_that_lie(changes, message):
    refused(forged(plain_entries(), **changes), message)


def test_two_end_records_that_disagree():
    content = saved({"w": torch.zeros(4)})
    where = content.rindex(b"PK\x06\x06")
    for position in (4, 16, 24, 32, 40, 48):
        changed = bytearray(content)
        changed[where + position] ^= 1
        refused(bytes(changed), "disagree|malformed|not where")
    for position in (4, 8, 16):
        changed = bytearray(content)
        changed[where + 56 + position] ^= 1
        refused(bytes(changed), "disagree")


@pytest.mark.parametrize("before", [b"#!/bin/sh\nid\n", b"\x80\x02.", b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n", b"\x7fELF"])
def test_an_archive_behind_another_file_is_none(before):
    content = saved({"w": torch.zeros(4)})
    assert zipfile.is_zipfile(io.BytesIO(before + content))
    assert check(before + content) is None
    # Two archives in one file: readers that look from the end find the second, others the first.
    refused(content + content, "not where|disagree")


def test_compressed_tensors_and_code_that_is_a_bomb():
    pickle_bytes = plain_entries()[0].data
    refused(
        zip_of([("m/data.pkl", pickle_bytes), ("m/data/0", bytes(16))], deflate=True), "compressed, which torch never"
    )
    bomb = zip_of([("m/data.pkl", pickle_bytes), ("m/data/0", bytes(1 << 22))], deflate=True)
    assert len(bomb) < 10_000
    refused(bomb, "a zip bomb")
    # What 4 GiB of zeros deflate to is 4 MiB; the first bytes of it do, for nothing is inflated.
    data = zlib.compress(bytes(1 << 20), wbits=-15)
    words = {"method": 8, "stored": len(data), "size": 0xFFFFFFFE}
    script = [Entry(b"m/constants.pkl", b"x"), Entry(b"m/code/a.py", data, local=words, central=words)]
    tracemalloc.start()
    try:
        refused(forged(script), "inflates to 4,294,967,294 bytes: a zip bomb")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    words = {"method": 8, "stored": len(data), "size": 60 << 20}
    code = [Entry(b"m/code/%d.py" % i, data, local=words, central=words) for i in range(5)]
    refused(forged([Entry(b"m/constants.pkl", b"x"), *code]), "a zip bomb")


def test_code_of_the_size_that_is_told_and_no_more():
    data = zlib.compress(bytes(1 << 20), wbits=-15)
    words = {"method": 8, "stored": len(data), "size": 100}
    content = forged([Entry(b"m/constants.pkl", b"x"), Entry(b"m/code/a.py", data, local=words, central=words)])
    table = read_zip(io.BytesIO(content), len(content), "model.pt", deflate=True)
    with pytest.raises(InputRefusedError, match="not as long as the archive says"):
        table.read(io.BytesIO(content), "code/a.py", 1 << 20)


def test_more_entries_than_are_read_cost_no_memory():
    content = forged(plain_entries(), count=0xFFFF, size=1)
    refused(content, "not where")
    many = forged([Entry(b"m/%d" % i) for i in range(3_000)])
    large = bytearray(many[:-22]) + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 3_000, 3_000, len(many), 0, 0)
    tracemalloc.start()
    try:
        refused(bytes(large), "not where")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert MAX_ENTRIES == 110_000


def test_every_truncation_and_every_flipped_bit_of_the_table():
    content = saved({"w": torch.zeros(2), "b": torch.ones(1)})
    for length in range(0, len(content), 7):
        cut = content[:length]
        with contextlib.suppress(InputRefusedError):
            assert check(cut) is None
    outcomes = {"passed": 0, "refused": 0}
    for position in range(0, len(content), 3):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        try:
            found = check(bytes(changed))
            outcomes["passed"] += found is not None
        except InputRefusedError:
            outcomes["refused"] += 1
    # Flips of padding, of times and of the numbers themselves pass; flips of what is checked don't.
    assert outcomes["refused"] > 100

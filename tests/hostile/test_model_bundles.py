"""Bundles with forged or broken parts: refused by name, before any library reads them."""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from auditkit.core.errors import InputRefusedError
from auditkit.models.prechecks.safetensors_file import read_header
from auditkit.models.trained import load_trained
from tests.models.hostile_files import refused

# --- safetensors -----------------------------------------------------------------------------------------------------


def pack(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype="F32", shape=(1,), offsets=(0, 4), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


MALFORMED = {
    "seven bytes": (b"1234567", "too few"),
    "header beyond the file": (pack({}, length=10**6), "its header would be 1,000,000 bytes"),
    "header of 2^63": (pack({}, length=1 << 63), "not a safetensors file"),
    "no JSON": (pack(b"{nope}"), "not valid JSON"),
    "cut off": (pack(b'{"a": 1'), "not a JSON object, padded with spaces"),
    "a space before": (pack(b" {}"), "not a JSON object, padded with spaces"),
    "a byte order mark": (pack(b"\xef\xbb\xbf{}"), "not a JSON object, padded with spaces"),
    "padded with NUL": (pack(b"{}\0\0"), "not a JSON object, padded with spaces"),
    "padded with lines": (pack(b"{}\n\n"), "not a JSON object, padded with spaces"),
    "no UTF-8": (pack(b'{"\xff": 1}'), "not valid JSON"),
    "NaN": (pack(b'{"a": NaN}'), "NaN is not a JSON number"),
    "deep": (pack(b'{"a":' + b"[" * 200_000 + b"}"), "nested too deeply"),
    "a list": (pack([]), "not a JSON object"),
    "twice": (pack(b'{"a": 1, "a": 2}'), "'a' stands there twice"),
    "twice in a tensor": (pack(b'{"a": {"dtype": "F32", "dtype": "U8"}}'), "'dtype' stands there twice"),
    "twice in the metadata": (pack(b'{"__metadata__": {"b": "", "b": ""}}'), "'b' stands there twice"),
    "metadata": (pack({"__metadata__": {"a": 1}}), "no table of strings"),
    "metadata null": (pack({"__metadata__": None}), "no table of strings"),
    "no table": (pack({"a": 3}), "tensor 'a': expected exactly"),
    "a field more": (pack({"a": tensor(code="x")}, bytes(4)), "expected exactly"),
    "unknown type": (pack({"a": tensor("C64")}, bytes(4)), "unknown type 'C64'"),
    "type no text": (pack({"a": tensor(["F32"])}, bytes(4)), "unknown type"),
    "negative shape": (pack({"a": tensor(shape=(-1,))}, bytes(4)), "bad shape"),
    "float shape": (pack({"a": tensor(shape=(1.0,))}, bytes(4)), "bad shape"),
    "true shape": (pack({"a": tensor(shape=(True,))}, bytes(4)), "bad shape"),
    "huge shape": (pack({"a": tensor(shape=(2**70,))}, bytes(4)), "bad shape"),
    "nine axes": (pack({"a": tensor(shape=(1,) * 9)}, bytes(4)), "bad shape"),
    "one offset": (pack({"a": tensor(offsets=(0,))}, bytes(4)), "bad data_offsets"),
    "negative offset": (pack({"a": tensor(offsets=(-4, 0))}, bytes(4)), "bad data_offsets"),
    "too small": (pack({"a": tensor(shape=(2,))}, bytes(4)), "takes 8 bytes, the offsets give 4"),
    "product overflows": (pack({"a": tensor(shape=(2**31, 2**31, 4))}, bytes(4)), "takes .* the offsets give 4"),
    "reversed": (pack({"a": tensor(offsets=(4, 0))}, bytes(4)), "the offsets give -4"),
    "beyond the end": (pack({"a": tensor()}, bytes(3)), "truncated"),
    "trailing bytes": (pack({"a": tensor()}, bytes(5)), "bytes that belong to no tensor"),
    "gap": (pack({"a": tensor(offsets=(4, 8))}, bytes(8)), "leaves a gap"),
    "overlap": (pack({"a": tensor(), "b": tensor(offsets=(0, 4))}, bytes(4)), "overlaps"),
    "100,001 empty": (
        pack({f"t{i}": tensor(shape=(0,), offsets=(0, 0)) for i in range(100_001)}),
        "100,001 tensors, more than",
    ),
    "a million empty": (pack(b"{" + b'"a":{},' * 1_000_000 + b"}"), "more parts than 100,000 tensors"),
    "a million lists": (pack(b'{"a":[' + b"[]," * 1_000_000 + b"0]}"), "more parts than 100,000 tensors"),
    "a million quotes": (pack(b'{"' + b'\\"' * 1_000_000 + b"}"), "not valid JSON"),
}


@pytest.mark.parametrize(("content", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_safetensors_are_refused(bundle, content, message):
    (bundle / "model.safetensors").write_bytes(content)
    text = refused(bundle, message)
    assert text.startswith(str(bundle / "model.safetensors"))
    assert len(text) < 1_000


def test_the_check_reads_what_the_library_writes():
    tensors = {"a": torch.zeros(2, 3), "b": torch.zeros(0), "c": torch.ones(4, dtype=torch.bfloat16)}
    content = safetensors.torch.save(tensors, metadata={"k": "v"})
    header = read_header(io.BytesIO(content), len(content), "x")
    assert {name: entry.shape for name, entry in header.tensors.items()} == {"a": (2, 3), "b": (0,), "c": (4,)}
    assert header.tensors["c"].dtype == "BF16"
    assert header.metadata == {"k": "v"}
    assert header.elements == 10


def test_what_the_format_allows_is_read():
    """Padding with spaces, a scalar, tensors at odd offsets, long texts of braces: the library reads them, too."""
    header = {
        "__metadata__": {"long": '{"[,' * 1_000_000},
        "a": tensor("U8", (1,), (0, 1)),
        "b": tensor("F32", (), (1, 5)),
    }
    content = pack(json.dumps(header).encode() + b"     ", b"\x07" + struct.pack("<f", 1.5))
    found = read_header(io.BytesIO(content), len(content), "x")
    assert {name: entry.shape for name, entry in found.tensors.items()} == {"a": (1,), "b": ()}
    loaded = safetensors.torch.load(content)
    assert (loaded["a"].item(), loaded["b"].item()) == (7, 1.5)


def test_a_header_of_100_mb_is_refused_unread(tmp_path):
    path = tmp_path / "model.safetensors"
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", 100_000_000))
        stream.truncate(200_000_000)
    with path.open("rb") as stream:
        with pytest.raises(InputRefusedError, match="its header would be 100,000,000 bytes long"):
            read_header(stream, 200_000_000, "x")
        assert stream.tell() == 8


def weights_of(bundle: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(bundle / "model.safetensors")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(bundle, number):
    weights = weights_of(bundle)
    weights["head.bias"][0] = number
    safetensors.torch.save_file(weights, bundle / "model.safetensors")
    refused(bundle, r"model\.safetensors: tensor 'head\.bias' holds NaN or infinite", worker=np.isnan(number))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("head.weight"), r"lacks 'head\.weight'"),
        (lambda w: w.update({"extra.weight": torch.zeros(1)}), r"unexpectedly has 'extra\.weight'"),
        (lambda w: w.update({"head.bias": torch.zeros(3)}), r"'head\.bias' is F32 \[3\].* needs F32 \[2\]"),
        (lambda w: w.update({"head.bias": torch.zeros(2).double()}), r"'head\.bias' is F64"),
        (lambda w: w.clear(), r"lacks .* and \d+ more"),
    ],
)
def test_weights_that_do_not_fit_are_refused(bundle, change, message):
    weights = weights_of(bundle)
    change(weights)
    safetensors.torch.save_file(weights, bundle / "model.safetensors")
    refused(bundle, message, worker=False)


# --- model.json ------------------------------------------------------------------------------------------------------


def edited(path: tuple[object, ...], value: object):
    def edit(description):
        place = description
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edited(("schema",), "auditkit.model/2"), "schema"),
        (edited(("surprise",), 1), "surprise: Extra inputs"),
        (edited(("classes",), ["no"]), "at least two classes"),
        (edited(("classes",), ["no", "no"]), "different classes"),
        (edited(("positive",), "maybe"), "positive must be one"),
        (edited(("outputs",), "values"), "belong to regression"),
        (edited(("architecture", "name"), "os.system"), "no architecture 'os.system'"),
        (edited(("architecture", "parameters", "width"), 2**40), r"architecture\.parameters\.width"),
        (edited(("architecture", "parameters", "width"), "16"), r"architecture\.parameters\.width"),
        (edited(("architecture", "parameters", "hook"), "x"), r"architecture\.parameters\.hook"),
        (edited(("architecture", "parameters", "width"), 65_536), "needs F32"),
        (edited(("preprocessing", "numeric", 0, "scale"), 0), "scale"),
        (edited(("preprocessing", "numeric", 0, "mean"), "1e999"), "mean"),
        (edited(("preprocessing", "order"), ["age"]), "order must list"),
        (edited(("preprocessing", "categorical", 0, "counts"), [1]), "two entries more"),
        (edited(("preprocessing", "categorical", 0, "vocabulary"), ["a"] * 4), "stands in the vocabulary twice"),
        (edited(("training", "data_sha256"), "../../x"), "data_sha256"),
    ],
)
def test_a_forged_description_is_refused(bundle, change, message):
    description = json.loads((bundle / "model.json").read_text())
    change(description)
    (bundle / "model.json").write_text(json.dumps(description))
    refused(bundle, message, worker=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"{", "not valid JSON"),
        (b'{"a":1,"a":2}', "twice"),
        (b"[]", "model"),
        (b"\x00", "JSON"),
    ],
)
def test_a_broken_description_is_refused(bundle, content, message):
    (bundle / "model.json").write_bytes(content)
    refused(bundle, message)


def test_links_that_leave_the_directory_are_refused(bundle, tmp_path):
    outside = tmp_path / "outside"
    (bundle / "model.safetensors").rename(outside)
    (bundle / "model.safetensors").symlink_to(outside)
    refused(bundle, "a link that leaves")


def test_links_inside_the_directory_are_followed(bundle):
    (bundle / "model.safetensors").rename(bundle / "weights")
    (bundle / "model.safetensors").symlink_to("weights")
    load_trained(bundle, "cpu")


def test_absent_parts_are_named(bundle):
    (bundle / "model.safetensors").unlink()
    refused(bundle, r"model\.safetensors: .*No such file")

"""Hostile ONNX files: refused before any library reads them, each with one line that names the file."""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.models.prechecks.onnx_file import OnnxValue, check_onnx
from tests.hostile.onnx_files import (
    attribute,
    blob,
    entry,
    external,
    function,
    graph,
    int64,
    key,
    model,
    node,
    num,
    sparse,
    tensor,
    value,
    varint,
)


def save(path: Path, content: bytes) -> Path:
    (path / "m.onnx").write_bytes(content)
    return path / "m.onnx"


def refused(path: Path, message: str) -> str:
    with pytest.raises(InputRefusedError, match=message) as caught:
        check_onnx(path)
    text = str(caught.value)
    assert caught.value.exit_code == 4
    assert text.startswith(str(path))
    assert len(text.splitlines()) == 1
    assert len(text) < 800
    return text


def test_what_a_plain_model_says_of_itself(tmp_path: Path) -> None:
    found = check_onnx(save(tmp_path, model(more=blob(8, blob(1, "ai.onnx.ml") + num(2, 3)))))
    assert found.ir_version == 8
    assert found.opsets == {"": 13, "ai.onnx.ml": 3}
    assert found.inputs == (OnnxValue("x", "float32", ("batch", 2)),)
    assert found.outputs == (OnnxValue("y", "float32", ("batch", 2)),)
    assert found.elements == 2
    assert found.operators == {("", "Add")}
    assert found.external == {}


def test_initializers_among_the_inputs_are_no_inputs(tmp_path: Path) -> None:
    found = check_onnx(save(tmp_path, model(graph(more=blob(11, value("w", (2,)))))))
    assert [v.name for v in found.inputs] == ["x"]


# --- external data ---------------------------------------------------------------------------------------------------


def with_external(path: Path, **entries: str) -> Path:
    return save(path, model(graph(initializers=[external(**entries)])))


def test_external_data_beside_the_model_passes(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.data").write_bytes(bytes(24))
    found = check_onnx(with_external(tmp_path, location="sub/w.data", offset="16", length="8"))
    assert found.external == {tmp_path / "sub" / "w.data": 24}
    check_onnx(with_external(tmp_path, location="sub/w.data"))


@pytest.mark.parametrize(
    "location",
    [
        "../secret",
        "sub/../../secret",
        "sub/../w.data",
        "/etc/passwd",
        "//etc/passwd",
        "./w.data",
        "sub//w.data",
        "sub/",
        ".",
        "..",
        "",
        "..\\secret",
        "sub\\w.data",
        "C:\\x",
        "w.data\0",
        "w\n.data",
        "*/_ORT_MEM_ADDR_/*",
    ],
)
def test_locations_that_leave_are_refused(tmp_path: Path, location: str) -> None:
    base = tmp_path / "base"
    (base / "sub").mkdir(parents=True)
    (base / "*" / "_ORT_MEM_ADDR_").mkdir(parents=True)
    for name in ("w.data", "sub/w.data", "../secret", "..\\secret", "sub\\w.data", "C:\\x", "w\n.data"):
        (base / name).write_bytes(bytes(8))
    (base / "*" / "_ORT_MEM_ADDR_" / "*").write_bytes(bytes(8))
    refused(with_external(base, location=location), "only files in the model's own directory")


LINKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "symbolic": (lambda p: (p / "w.data").symlink_to(p.parent / "secret"), "a link; copy the file"),
    "symbolic inside": (
        lambda p: ((p / "real").write_bytes(bytes(8)), (p / "w.data").symlink_to("real")),
        "a link; copy the file",
    ),
    "hard": (lambda p: os.link(p.parent / "secret", p / "w.data"), "a hard link"),
    "pipe": (lambda p: os.mkfifo(p / "w.data"), "not a regular file"),
    "directory": (lambda p: (p / "w.data").mkdir(), "not a regular file"),
    "absent": (lambda p: None, "No such file"),
    "device": (lambda p: (p / "w.data").symlink_to("/dev/zero"), "a link; copy the file"),
}


@pytest.mark.parametrize(("make", "message"), LINKS.values(), ids=LINKS.keys())
def test_links_are_not_followed(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (tmp_path / "secret").write_bytes(bytes(8))
    make(base)
    refused(with_external(base, location="w.data"), message)


def test_a_directory_behind_a_link_is_not_entered(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "w.data").write_bytes(bytes(8))
    (base / "sub").symlink_to("../other")
    refused(with_external(base, location="sub/w.data"), "a link; copy the file")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"offset": "1"}, "ends at byte 9 of w.data, which has 8"),
        ({"offset": "9223372036854775807"}, "is no number of bytes"),
        ({"offset": "-1"}, "is no number of bytes"),
        ({"offset": "0x0"}, "is no number of bytes"),
        ({"offset": "\u0661"}, "is no number of bytes"),
        ({"length": "4"}, "takes 8 bytes, its external data has 4"),
        ({"length": "999"}, "takes 8 bytes, its external data has 999"),
        ({"length": ""}, "is no number of bytes"),
        ({"basepath": "/"}, "'basepath' twice, or unknown"),
    ],
)
def test_places_in_external_data_are_checked(tmp_path: Path, entries: dict[str, str], message: str) -> None:
    (tmp_path / "w.data").write_bytes(bytes(8))
    refused(with_external(tmp_path, location="w.data", **entries), message)


def test_external_data_that_contradicts_itself(tmp_path: Path) -> None:
    (tmp_path / "w.data").write_bytes(bytes(8))
    twice = external(location="w.data") + blob(13, entry("location", "../secret"))
    refused(save(tmp_path, model(graph(initializers=[twice]))), "'location' twice")
    for content in (
        tensor(more=blob(13, entry("location", "w.data"))),
        tensor(more=num(14, 1)),
        tensor(more=num(14, 2)),
    ):
        refused(save(tmp_path, model(graph(initializers=[content]))), "said to be elsewhere")
    both = external(location="w.data") + blob(9, bytes(8))
    refused(save(tmp_path, model(graph(initializers=[both]))), "has its data twice")
    text = external(data_type=8, location="w.data")
    refused(save(tmp_path, model(graph(initializers=[text]))), "text can only stand in string_data")


AT = int64("i", (1, 2), (2,))
#: Every place where a tensor can hide.
PLACES: dict[str, Callable[[bytes], bytes]] = {
    "initializer": lambda t: model(graph(initializers=[t])),
    "constant": lambda t: model(graph([node("Constant", (), attributes=[attribute("value", blob(5, t), 4)])])),
    "list of constants": lambda t: model(graph([node("Constant", (), attributes=[attribute("v", blob(10, t), 9)])])),
    "subgraph": lambda t: model(
        graph([node("If", attributes=[attribute("then_branch", blob(6, graph(initializers=[t])), 5)])])
    ),
    "subgraph of a list": lambda t: model(
        graph([node("X", attributes=[attribute("gs", blob(11, graph(initializers=[t])), 10)])])
    ),
    "sparse values": lambda t: model(graph(more=blob(15, sparse((9,), t, int64("i", (1, 2), (2,)))))),
    "sparse constant": lambda t: model(
        graph(
            [node("Constant", (), attributes=[attribute("v", blob(22, sparse((9,), t, int64("i", (1, 2), (2,)))), 11)])]
        )
    ),
    "function": lambda t: model(
        more=blob(25, function("f", [node("Constant", (), attributes=[attribute("value", blob(5, t), 4)])]))
    ),
    "function's default": lambda t: model(
        more=blob(25, function("f", [node("Relu")]) + blob(11, attribute("value", blob(5, t), 4)))
    ),
    "training": lambda t: model(more=blob(20, blob(2, graph(initializers=[t])))),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_external_data_is_found_wherever_it_stands(tmp_path: Path, place: Callable[[bytes], bytes]) -> None:
    (tmp_path / "w.data").write_bytes(bytes(8))
    assert check_onnx(save(tmp_path, place(external(location="w.data")))).external == {tmp_path / "w.data": 8}
    refused(save(tmp_path, place(external(location="../w.data"))), "only files in the model's own directory")


# --- tensors ---------------------------------------------------------------------------------------------------------

FLOATS = struct.pack("<2f", 1, 2)
TENSORS: dict[str, tuple[bytes, str]] = {
    "too little": (tensor(raw=bytes(7)), r"shape \[2\] of float32 takes 8 bytes, it has 7"),
    "too much": (tensor(raw=bytes(9)), "it has 9"),
    "nothing": (tensor(raw=b"-"), "needs 2 in float_data, it has 0"),
    "an empty field": (tensor(raw=b""), "it has 0"),
    "a product beyond 64 bits": (
        tensor(dims=(1 << 40, 1 << 40), raw=b""),
        "takes 4,835,703,278,458,516,698,824,704",
    ),
    "negative": (tensor(dims=(-2,), raw=b""), r"has the shape \[-2\]"),
    "17 dimensions": (tensor(dims=(1,) * 17), "more than 16 dimensions"),
    "unknown type": (tensor(data_type=99), "unknown type 99"),
    "no type": (tensor(data_type=0), "unknown type 0"),
    "segment": (tensor(more=blob(3, num(1, 0) + num(2, 1))), "cut into segments"),
    "twice": (tensor(more=blob(4, FLOATS)), "has its data twice: float_data, raw_data"),
    "the wrong field": (tensor(raw=b"-", more=blob(7, b"\1\2")), "needs 2 in float_data, it has 2 in int64_data"),
    "few floats": (tensor(raw=b"-", more=blob(4, FLOATS[:4])), "needs 2 in float_data, it has 1"),
    "half a float": (tensor(raw=b"-", more=blob(4, FLOATS[:7])), "ends inside a number"),
    "half a varint": (tensor(data_type=7, raw=b"-", more=blob(7, b"\1\x80")), "ends inside a number"),
    "raw text": (tensor(data_type=8, raw=b"ab"), "text can only stand in string_data"),
    "few texts": (tensor(data_type=8, raw=b"-", more=blob(6, "a")), "needs 2 in string_data, it has 1"),
}


@pytest.mark.parametrize(("content", "message"), TENSORS.values(), ids=TENSORS.keys())
def test_tensors_whose_data_do_not_fit_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    text = refused(save(tmp_path, model(graph(initializers=[content]))), message)
    assert "'w'" in text or "dimensions" in text or "TensorProto" in text


@pytest.mark.parametrize(
    "content",
    [
        tensor(dims=()),
        tensor(dims=(0,)),
        tensor(dims=(0,), raw=b"-"),
        tensor(raw=b"-", more=blob(4, FLOATS)),
        tensor(raw=b"-", more=key(4, 5) + FLOATS[:4] + key(4, 5) + FLOATS[4:]),
        tensor(data_type=7, raw=b"-", more=blob(7, varint(-1) + varint(300))),
        tensor(data_type=7, raw=b"-", more=num(7, -1) + num(7, 5)),
        tensor(data_type=8, raw=b"-", more=blob(6, "a") + blob(6, "")),
        tensor(dims=(3,), data_type=22, raw=b"12"),
        tensor(dims=(3,), data_type=22, raw=b"-", more=blob(5, b"\1\2")),
        tensor(dims=(5,), data_type=25, raw=b"12"),
        tensor(dims=(1,), data_type=14, raw=b"-", more=blob(4, FLOATS)),
        tensor(dims=(2,), data_type=10, raw=bytes(4)),
    ],
)
def test_every_form_that_the_format_has_passes(tmp_path: Path, content: bytes) -> None:
    check_onnx(save(tmp_path, model(graph(initializers=[content]))))


VALUES = tensor("v")
SPARSE: dict[str, tuple[bytes, str]] = {
    "a bomb": (sparse((1 << 20, 1 << 20), VALUES, int64("i", (0, 1), (2,))), "once it is unpacked"),
    "outside": (sparse((9,), VALUES, int64("i", (0, 9), (2,))), r"index 9 lies outside of shape \[9\]"),
    "negative": (sparse((9,), VALUES, int64("i", (-1, 0), (2,))), "index -1 lies outside"),
    "outside of an axis": (sparse((9, 2), VALUES, int64("i", (0, 0, 1, 2), (2, 2))), "index 2 lies outside"),
    "more indices": (sparse((9,), VALUES, int64("i", (0, 1, 2), (3,))), "don't fit together"),
    "indices of floats": (sparse((9,), VALUES, tensor("i")), "don't fit together"),
    "no indices": (blob(1, VALUES) + num(3, 9), "expected values, indices"),
    "no dims": (sparse((), VALUES, int64("i", (0, 1), (2,))), "expected values, indices and positive dims"),
    "a zero": (sparse((0,), VALUES, int64("i", (0, 1), (2,))), "positive dims"),
    "twice": (sparse((9,), VALUES, int64("i", (0, 1), (2,))) + blob(1, VALUES), "values stands there twice"),
}


@pytest.mark.parametrize(("content", "message"), SPARSE.values(), ids=SPARSE.keys())
def test_sparse_tensors_that_lie_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    refused(save(tmp_path, model(graph(more=blob(15, content)))), message)


def test_sparse_tensors_in_every_form_pass(tmp_path: Path) -> None:
    packed = tensor("i", (2,), 7, raw=b"-", more=blob(7, b"\0\x08"))
    for indices in (int64("i", (0, 8), (2,)), int64("i", (0, 0, 2, 2), (2, 2)), packed):
        check_onnx(save(tmp_path, model(graph(more=blob(15, sparse((3, 3), VALUES, indices))))))


# --- operators -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "custom",
    [
        node("Shell", domain="evil"),
        node("Aten", domain="org.pytorch.aten"),
        node("PythonOp", domain="com.microsoft"),
        node("EPContext", domain="com.microsoft"),
    ],
)
def test_operators_of_other_libraries_are_refused(tmp_path: Path, custom: bytes) -> None:
    refused(save(tmp_path, model(graph([custom]))), "need a library of its own, which would be code: .*Export")
    nested = node("If", attributes=[attribute("else_branch", blob(6, graph([custom])), 5)])
    refused(save(tmp_path, model(graph([nested]))), "need a library of its own")
    refused(save(tmp_path, model(more=blob(25, function("f", [custom])))), "need a library of its own")


def test_functions_of_the_model_itself_pass(tmp_path: Path) -> None:
    """Also where the file has them before the graph that calls them."""
    own = blob(25, function("f", [node("Relu")]))
    found = check_onnx(save(tmp_path, own + model(graph([node("f", domain="local")]))))
    assert found.operators == {("local", "f"), ("", "Relu")}
    check_onnx(save(tmp_path, model(graph([node("Gelu", domain="com.microsoft")]))))


def test_functions_that_call_themselves_are_refused(tmp_path: Path) -> None:
    calls = [
        blob(25, function("f", [node("g", domain="local")])),
        blob(25, function("g", [node("f", domain="local")])),
    ]
    refused(save(tmp_path, model(graph([node("f", domain="local")]), b"".join(calls))), "calls itself")


def test_functions_that_unfold_to_a_bomb_are_refused(tmp_path: Path) -> None:
    """Thirty functions, each of which calls the next one twice: 2^30 nodes in 2 KB."""
    calls = [function(f"f{i}", [node(f"f{i + 1}", domain="local")] * 2) for i in range(30)]
    calls.append(function("f30", [node("Relu")]))
    content = model(graph([node("f0", domain="local")]), b"".join(blob(25, f) for f in calls))
    assert len(content) < 4_000
    refused(save(tmp_path, content), "unfold to more than 10,000,000 nodes")


def test_a_function_twice_is_refused(tmp_path: Path) -> None:
    own = blob(25, function("f", [node("Relu")]))
    refused(save(tmp_path, model(more=own + own)), "stands there twice")


# --- the wire format -------------------------------------------------------------------------------------------------

GOOD = model()
WIRE: dict[str, tuple[bytes, str]] = {
    "cut off": (GOOD[:-3], "cut off"),
    "a length beyond the end": (num(1, 8) + key(7, 2) + varint(1 << 40), "ends beyond its message"),
    "a length of 2^63": (key(7, 2) + varint(1 << 63), "ends beyond its message"),
    "an endless varint": (b"\x08" + b"\xff" * 100, "cut off or too long"),
    "a varint of 65 bits": (b"\x08" + b"\xff" * 9 + b"\x02", "cut off or too long"),
    "a varint longer than need be": (b"\x08\x88\x00", "cut off or too long"),
    "half a varint": (b"\x08\x80", "cut off or too long"),
    "a group": (GOOD + key(7, 3), "ModelProto.graph"),
    "a group of its own": (GOOD + key(99, 3) + key(99, 4), "a field 99 that is not known"),
    "an unknown field": (GOOD + blob(500, "x"), "a field 500 that is not known"),
    "field 0": (GOOD + b"\x02\x00", "a field 0 that is not known"),
    "wire type 7": (GOOD + b"\x17", "wire type 7"),
    "a number as a text": (num(2, 5), "producer_name has wire type 0"),
    "a text as a number": (blob(1, "x"), "ir_version has wire type 2"),
    "two graphs": (GOOD + blob(7, graph()), "graph stands there twice"),
    "two versions": (GOOD + num(1, 9), "ir_version stands there twice"),
    "two names of a node": (model(graph([node("Add") + blob(4, "Relu")])), "op_type stands there twice"),
    "no UTF-8": (GOOD + blob(2, b"\xff\xfe"), "producer_name is not UTF-8"),
    "no graph": (num(1, 8) + blob(8, num(2, 13)), "it has no graph"),
    "no operator set": (num(1, 8) + blob(7, graph()), "names no operator set"),
    "text": (b"hello, world\n", "hidden|field|wire|number"),
    "onnxruntime's own format": (b"\x20\0\0\0ORTM" + bytes(64), "own format"),
}


@pytest.mark.parametrize(("content", "message"), WIRE.values(), ids=WIRE.keys())
def test_a_forged_wire_format_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    refused(save(tmp_path, content), message)


def deep(levels: int) -> bytes:
    inner = graph()
    for _ in range(levels):
        inner = graph([node("If", attributes=[attribute("then_branch", blob(6, inner), 5)])])
    return model(inner)


def test_nesting_is_bounded(tmp_path: Path) -> None:
    check_onnx(save(tmp_path, deep(15)))
    refused(save(tmp_path, deep(5_000)), "nested more than 64 deep")
    type_ = blob(1, num(1, 1))
    for _ in range(5_000):
        type_ = blob(4, blob(1, type_))
    refused(save(tmp_path, model(graph(more=blob(13, blob(1, "v") + blob(2, type_))))), "nested more than 64 deep")


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        model(graph(more=blob(1, b"") * 3_000_000)),
        model(graph(more=blob(15, sparse((9,), VALUES, tensor("i", (2,), 7, b"-", blob(7, b"\1" * 8_000_000)))))),
    ],
    ids=["nodes", "sparse indices"],
)
def test_millions_of_tiny_fields_take_bounded_time(tmp_path: Path, content: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(InputRefusedError):
        check_onnx(save(tmp_path, content))
    assert time.monotonic() - started < 60


def test_files_that_are_no_onnx_say_what_they_are(tmp_path: Path) -> None:
    refused(save(tmp_path, b""), "an empty file")
    refused(save(tmp_path, b"<html>"), "an HTML page")
    refused(save(tmp_path, b"version https://git-lfs.github.com/spec/v1"), "a Git LFS pointer")
    refused(save(tmp_path, b"\x80\x04\x95"), "a Python pickle, not an ONNX file")
    (tmp_path / "m.onnx").unlink()
    os.mkfifo(tmp_path / "m.onnx")
    refused(tmp_path / "m.onnx", "not a regular file")


def test_bytes_flipped_at_random_are_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "w.data").write_bytes(bytes(8))
    start = PLACES["subgraph"](external(location="w.data")) + blob(25, function("f", [node("Relu")]))
    chance = random.Random(0)
    outcomes = set()
    for _ in range(1_000):
        content = bytearray(start)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            check_onnx(save(tmp_path, bytes(content)))
            outcomes.add("read")
        except InputRefusedError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


# --- the libraries themselves, where they are ------------------------------------------------------------------------


def test_what_passes_the_libraries_read_too(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    import numpy as np

    (tmp_path / "w.data").write_bytes(struct.pack("<2f", 10, 20))
    path = with_external(tmp_path, location="w.data", offset="0", length="8")
    check_onnx(path)
    onnx.checker.check_model(str(path))
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.ones((1, 2), dtype=np.float32)})[0].tolist() == [[11.0, 21.0]]


def test_onnxruntime_reads_through_a_hard_link(tmp_path: Path) -> None:
    """What the pre-check refuses, the runtime would hand out: the bytes of a file that is none of the model's."""
    runtime = pytest.importorskip("onnxruntime")
    import numpy as np

    (tmp_path / "base").mkdir()
    (tmp_path / "secret").write_bytes(struct.pack("<2f", 42, 43))
    os.link(tmp_path / "secret", tmp_path / "base" / "w.data")
    path = with_external(tmp_path / "base", location="w.data")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.zeros((1, 2), dtype=np.float32)})[0].tolist() == [[42.0, 43.0]]
    refused(path, "a hard link")

"""Hostile ONNX files: operators, functions and the wire format, each refused with one line that names the file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.models.prechecks.onnx_file import OnnxValue, check_onnx
from tests.hostile.onnx_files import (
    attribute,
    blob,
    function,
    graph,
    key,
    model,
    node,
    num,
    refused,
    save,
    sparse,
    tensor,
    value,
    varint,
)


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
        model(graph(more=blob(15, sparse((9,), tensor("v"), tensor("i", (2,), 7, b"-", blob(7, b"\1" * 8_000_000)))))),
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

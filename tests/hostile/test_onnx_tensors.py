"""Tensors of hostile ONNX files: their data is as much as their shape says, and sparse ones stay small."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.models.prechecks.onnx_file import check_onnx
from tests.hostile.onnx_files import (
    attribute,
    blob,
    external,
    function,
    graph,
    int64,
    key,
    model,
    node,
    num,
    refused,
    save,
    sparse,
    tensor,
    varint,
)

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


def nested(content: bytes) -> bytes:
    branch = attribute("then_branch", blob(6, graph(initializers=[content])), 5)
    return model(graph([node("If", attributes=[branch])]))


def test_bytes_flipped_at_random_are_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "w.data").write_bytes(bytes(8))
    start = nested(external(location="w.data")) + blob(25, function("f", [node("Relu")]))
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

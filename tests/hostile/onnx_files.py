"""A tiny encoder of protocol buffers and the parts of ONNX that the tests forge. It shares nothing with the reader."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.models.prechecks.onnx_file import check_onnx


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def key(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def num(number: int, value: int) -> bytes:
    return key(number, 0) + varint(value)


def blob(number: int, value: bytes | str) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return key(number, 2) + varint(len(content)) + content


def entry(name: str, value: str) -> bytes:
    return blob(1, name) + blob(2, value)


def tensor(
    name: str = "w",
    dims: Iterable[int] = (2,),
    data_type: int = 1,
    raw: bytes | None = None,
    more: bytes = b"",
) -> bytes:
    """TensorProto; float32 zeros that fit unless told otherwise."""
    dims = tuple(dims)
    size = 4
    for length in dims:
        size *= length
    content = b"".join(num(1, length) for length in dims) + num(2, data_type) + blob(8, name)
    return content + (blob(9, bytes(size) if raw is None else raw) if raw != b"-" else b"") + more


def external(name: str = "w", dims: Iterable[int] = (2,), data_type: int = 1, **entries: str) -> bytes:
    """TensorProto whose data stands in another file."""
    more = b"".join(blob(13, entry(key_, value)) for key_, value in entries.items()) + num(14, 1)
    return tensor(name, dims, data_type, raw=b"-", more=more)


def value(name: str, dims: Iterable[int | str] = (), elem_type: int = 1) -> bytes:
    """ValueInfoProto of a tensor."""
    shape = b"".join(blob(1, num(1, d) if isinstance(d, int) else blob(2, d)) for d in dims)
    return blob(1, name) + blob(2, blob(1, num(1, elem_type) + blob(2, shape)))


def attribute(name: str, content: bytes, kind: int) -> bytes:
    return blob(1, name) + content + num(20, kind)


def node(
    op_type: str,
    inputs: Iterable[str] = ("x", "w"),
    outputs: Iterable[str] = ("y",),
    domain: str = "",
    attributes: Iterable[bytes] = (),
) -> bytes:
    content = b"".join(blob(1, name) for name in inputs) + b"".join(blob(2, name) for name in outputs)
    content += blob(4, op_type) + b"".join(blob(5, a) for a in attributes)
    return content + (blob(7, domain) if domain else b"")


def graph(
    nodes: Iterable[bytes] | None = None,
    initializers: Iterable[bytes] | None = None,
    more: bytes = b"",
) -> bytes:
    """GraphProto: y = x + w over two floats, unless told otherwise."""
    nodes = [node("Add")] if nodes is None else nodes
    initializers = [tensor()] if initializers is None else initializers
    content = b"".join(blob(1, n) for n in nodes) + blob(2, "g") + b"".join(blob(5, t) for t in initializers)
    return content + blob(11, value("x", ("batch", 2))) + blob(12, value("y", ("batch", 2))) + more


def model(graph_: bytes | None = None, more: bytes = b"", opset: int = 13) -> bytes:
    """ModelProto."""
    return num(1, 8) + blob(7, graph() if graph_ is None else graph_) + blob(8, num(2, opset)) + more


def function(name: str, nodes: Iterable[bytes], domain: str = "local") -> bytes:
    content = blob(1, name) + blob(4, "a") + blob(5, "b") + b"".join(blob(7, n) for n in nodes)
    return content + blob(9, num(2, 13)) + blob(10, domain)


def sparse(dims: Iterable[int], values: bytes, indices: bytes) -> bytes:
    """SparseTensorProto."""
    return blob(1, values) + blob(2, indices) + b"".join(num(3, d) for d in dims)


def int64(name: str, numbers: Iterable[int], dims: Iterable[int]) -> bytes:
    numbers = tuple(numbers)
    return tensor(name, dims, 7, raw=struct.pack(f"<{len(numbers)}q", *numbers))


def save(path: Path, content: bytes) -> Path:
    """`m.onnx` in a directory."""
    (path / "m.onnx").write_bytes(content)
    return path / "m.onnx"


def refused(path: Path, message: str) -> str:
    """It is refused with one line that names the file."""
    with pytest.raises(InputRefusedError, match=message) as caught:
        check_onnx(path)
    text = str(caught.value)
    assert caught.value.exit_code == 4
    assert text.startswith(str(path))
    assert len(text.splitlines()) == 1
    assert len(text) < 800
    return text


def with_external(path: Path, **entries: str) -> Path:
    """A model whose only tensor stands in another file."""
    return save(path, model(graph(initializers=[external(**entries)])))

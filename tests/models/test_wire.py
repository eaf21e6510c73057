"""Frames: what is sent arrives, and what is no frame is refused."""

import json
import socket
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from auditkit.models.worker.wire import (
    ConnectionLostError,
    Frame,
    WireError,
    pack_batch,
    receive,
    send,
    unpack_batch,
    unpack_strings,
)


def through(frame: Frame) -> Frame:
    here, there = socket.socketpair()
    with here, there:
        send(here, frame, 5)
        return receive(there, 5)


texts = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=30)


@given(texts, arrays.arrays(np.float64, st.integers(0, 30), elements=st.floats(width=64)))
@settings(max_examples=60, deadline=None)
def test_batches_arrive_as_they_were(words, numbers):
    column = np.empty(len(words), dtype=object)
    column[:] = words
    columns, packed = pack_batch({"größe\n": numbers, "\u202etext": column})
    got = through(Frame("predict", {"columns": columns}, packed))
    batch = unpack_batch(got.fields["columns"], got.arrays)
    assert list(batch) == ["größe\n", "\u202etext"]
    np.testing.assert_array_equal(batch["größe\n"], numbers)
    assert batch["\u202etext"].tolist() == words


def test_matrices_keep_their_shape_even_when_empty_or_strided():
    matrix = np.arange(12.0).reshape(3, 4)[:, ::2]
    got = through(Frame("values", {}, {"a": matrix, "b": np.empty((0, 3)), "c": np.asfortranarray(matrix)}))
    np.testing.assert_array_equal(got.arrays["a"], matrix)
    np.testing.assert_array_equal(got.arrays["c"], matrix)
    assert got.arrays["b"].shape == (0, 3)


def raw(header: object, body: bytes = b"", *, magic: bytes = b"AKW1", body_length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = len(body) if body_length is None else body_length
    return struct.pack("<4sIQ", magic, len(text), length) + text + body


def one(**change: object) -> dict[str, object]:
    return {"op": "x", "fields": {}, "arrays": [{"name": "a", "dtype": "<f8", "shape": [1], **change}]}


@pytest.mark.parametrize(
    "content",
    [
        raw(one(), b"\0" * 8, magic=b"HTTP"),
        raw(one(), b"\0" * 8, body_length=1 << 50),
        raw(b"\xff{", b""),
        raw(b"[" * 100_000, b""),
        raw([], b""),
        raw({"op": "x"}, b""),
        raw({"op": 1, "fields": {}, "arrays": []}),
        raw({"op": "x", "fields": [], "arrays": []}),
        raw(one(dtype="|O8"), b"\0" * 8),
        raw(one(shape=[2]), b"\0" * 8),
        raw(one(shape=[-1]), b"\0" * 8),
        raw(one(shape=[1.0]), b"\0" * 8),
        raw(one(shape=[True]), b"\0" * 8),
        raw(one(shape=[1, 1, 1]), b"\0" * 8),
        raw(one(name=3), b"\0" * 8),
    ],
)
def test_what_is_no_frame_is_refused(content):
    here, there = socket.socketpair()
    with here, there:
        here.sendall(content)
        with pytest.raises(WireError):
            receive(there, 5)


def test_a_torn_frame_and_a_silent_one():
    here, there = socket.socketpair()
    with there:
        with here:
            with pytest.raises(TimeoutError):
                receive(there, 0.05)
            here.sendall(raw(one(), b"\0" * 8)[:-1])
        with pytest.raises(ConnectionLostError):
            receive(there, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"s.codes": np.array([5], dtype=np.int32)},
        {"s.codes": np.array([-2], dtype=np.int32)},
        {"s.ends": np.array([9], dtype=np.int64)},
        {"s.ends": np.array([2, 1], dtype=np.int64)},
        {"s.ends": np.array([-1, 1], dtype=np.int64)},
        # Each step is small where differences wrap around; a few such steps repeat all bytes, thousands fill memory.
        {"s.ends": np.array([2**63 - 1, -(2**63), -(2**62), 2**62 - 1, 2**63 - 1, -(2**63), 0, 1], dtype=np.int64)},
        {"s.bytes": np.array([0xFF], dtype=np.uint8)},
        {"s.codes": np.array([0], dtype=np.int64)},
        {"s.codes": np.zeros((1, 1), dtype=np.int32)},
    ],
)
def test_a_malformed_text_column_is_refused(change):
    good = {
        "s.codes": np.array([0], dtype=np.int32),
        "s.bytes": np.frombuffer(b"x", dtype=np.uint8),
        "s.ends": np.array([1], dtype=np.int64),
    }
    assert unpack_strings("s", good).tolist() == ["x"]
    with pytest.raises(WireError):
        unpack_strings("s", {**good, **change})

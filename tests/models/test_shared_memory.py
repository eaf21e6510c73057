"""Bodies of frames in shared memory: the same arrays as over the socket, and nothing else than arrays."""

import fcntl
import json
import mmap
import os
import socket
import struct
import sys
import threading

import numpy as np
import pytest

from auditkit.models.worker import segments
from auditkit.models.worker.channel import Answering, Asking
from auditkit.models.worker.segments import Segment
from auditkit.models.worker.wire import ConnectionLostError, Frame, WireError, receive, send

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or segments.make(1 << 20, for_answers=True) is None, reason="no sealed memory here"
)
LARGE = 1 << 16


class Echo(threading.Thread):
    """A worker that answers with `change` of the arrays that it gets, and counts what came through shared memory."""

    def __init__(self, connection, change=lambda arrays: arrays):
        super().__init__(daemon=True)
        self.connection, self.change = connection, change
        self.channel = Answering(connection)
        self.start()

    def run(self):
        try:
            while True:
                frame = self.channel.receive()
                self.channel.send(Frame(frame.op, frame.fields, self.change(frame.arrays)))
        except ConnectionLostError:
            self.connection.close()


@pytest.fixture
def pair():
    here, there = socket.socketpair()
    asking = Asking(here)
    yield asking, there
    asking.close()


def arrays(rows, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "a": rng.normal(size=(rows, 3)),
        "codes": rng.integers(-1, 9, rows).astype(np.int32),
        "bytes": rng.integers(0, 255, rows * 5 + 1).astype(np.uint8),
        "nothing": np.empty((0, 4)),
        "odd": rng.normal(size=(rows, 7))[::-1, ::2],
    }


@pytest.mark.parametrize("rows", [1, 1_000, LARGE, 3 * LARGE, 10])
def test_arrays_arrive_bit_for_bit_and_can_be_written(pair, rows):
    asking, there = pair
    Echo(there)
    for seed in range(3):
        sent = arrays(rows, seed)
        got = asking.ask(Frame("x", {"k": 1}, sent), 30).arrays
        assert list(got) == list(sent)
        for name, values in sent.items():
            np.testing.assert_array_equal(got[name], values)
            assert got[name].dtype == values.dtype
            assert got[name].flags.writeable


def test_large_bodies_leave_the_socket_and_small_ones_stay(pair):
    asking, there = pair
    echo = Echo(there)
    asking.ask(Frame("x", {}, {"a": np.zeros(10)}), 30)
    assert echo.channel._question is None
    for _ in range(2):
        asking.ask(Frame("x", {}, {"a": np.zeros(LARGE)}), 30)
    assert echo.channel._question is not None
    assert echo.channel._question.size >= 8 * LARGE
    assert echo.channel._answer is not None
    first = asking._question
    asking.ask(Frame("x", {}, {"a": np.zeros(4 * LARGE)}), 30)
    assert asking._question is not first
    assert len(asking.ask(Frame("x", {}, {"a": np.zeros(40)}), 30).arrays["a"]) == 40


def test_what_was_received_does_not_change_with_the_next(pair):
    asking, there = pair
    kept = []
    Echo(there, lambda arrays: kept.append(arrays["a"]) or {"a": arrays["a"] * 2})
    answers = [asking.ask(Frame("x", {}, {"a": np.full(LARGE, float(n))}), 30).arrays["a"] for n in range(5)]
    for n in range(5):
        assert (answers[n] == 2 * n).all()
        assert (kept[n] == n).all()


def test_without_such_memory_the_socket_carries_all(pair, monkeypatch):
    asking, there = pair
    monkeypatch.setattr(segments, "make", lambda body, for_answers: None)
    echo = Echo(there)
    for _ in range(3):
        assert asking.ask(Frame("x", {}, {"a": np.arange(float(LARGE))}), 30).arrays["a"][-1] == LARGE - 1
    assert echo.channel._question is echo.channel._answer is None


def test_no_descriptor_is_left_open(pair):
    asking, there = pair
    before = len(os.listdir("/proc/self/fd"))
    Echo(there)
    for rows in (LARGE, 2 * LARGE, 4 * LARGE, 8 * LARGE):
        for _ in range(2):
            asking.ask(Frame("x", {}, {"a": np.zeros(rows)}), 30)
    # One a segment and side: both sides live in this process here.
    assert len(os.listdir("/proc/self/fd")) <= before + 4


# --- what a hostile side could do -------------------------------------------------------------------------------------


def shared_frame(header: object, body_length: int) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<4sIQ", b"AKM1", len(text), body_length) + text


def table(*shapes: list[int]) -> dict[str, object]:
    entries = [{"name": str(n), "dtype": "<f8", "shape": shape} for n, shape in enumerate(shapes)]
    return {"op": "x", "fields": {}, "arrays": entries}


def test_arrays_lie_one_after_the_other_from_the_first_byte():
    made = segments.make(1 << 20, for_answers=True)
    assert made is not None
    ours, descriptor = made
    theirs = Segment.adopt(descriptor, writable=True)
    theirs.write(0, memoryview(np.arange(6.0)).cast("B"))
    here, there = socket.socketpair()
    with here, there:
        there.sendall(shared_frame(table([2], [0, 9], [2, 2]), 48))
        got = receive(here, 5, shared=ours).arrays
    np.testing.assert_array_equal(got["0"], [0, 1])
    np.testing.assert_array_equal(got["2"], [[2, 3], [4, 5]])
    assert got["1"].shape == (0, 9)


@pytest.mark.parametrize(
    ("shapes", "length", "message"),
    [
        ([[(1 << 18) + 1]], (8 << 18) + 8, "that is not there"),  # longer than the segment
        ([[1 << 17], [(1 << 17) + 1]], (8 << 18) + 8, "that is not there"),  # together
        ([[4]], 64, "do not add up"),
        ([[4]], 0, "do not add up"),
        ([[1 << 20, 1 << 20]], 8 << 40, "no frame header"),
        ([[-1]], 0, "a shape that is none"),
        ([[1 << 40]], 8 << 20, "a shape that is none"),
    ],
)
def test_a_body_outside_of_the_memory_is_refused(shapes, length, message):
    made = segments.make(1 << 20, for_answers=True)
    assert made is not None
    os.close(made[1])
    here, there = socket.socketpair()
    with here, there:
        there.sendall(shared_frame(table(*shapes), length))
        with pytest.raises(WireError, match=message):
            receive(here, 5, shared=made[0])


def test_shared_memory_that_nobody_offered_is_refused():
    here, there = socket.socketpair()
    with here, there:
        there.sendall(shared_frame(table([1]), 8))
        with pytest.raises(WireError, match="not there"):
            receive(here, 5)


def test_descriptors_that_the_parent_did_not_ask_for_are_not_taken():
    here, there = socket.socketpair()
    with here, there, open(os.devnull) as other:
        before = len(os.listdir("/proc/self/fd"))
        send(there, Frame("x"), 5, descriptors=[other.fileno()] * 2)
        assert receive(here, 5).op == "x"
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("for_answers", [False, True])
def test_seals_hold_for_the_other_side(for_answers):
    made = segments.make(1 << 20, for_answers=for_answers)
    assert made is not None
    _, descriptor = made
    try:
        for size in (0, 1, 1 << 19, 1 << 24):
            with pytest.raises(PermissionError):
                os.ftruncate(descriptor, size)
        with pytest.raises(PermissionError):
            fcntl.fcntl(descriptor, 1033, 0x8)
        if for_answers:
            mmap.mmap(descriptor, 4096).close()
        else:
            with pytest.raises(PermissionError):
                os.write(descriptor, b"x")
            with pytest.raises(PermissionError):
                mmap.mmap(descriptor, 4096)
            with mmap.mmap(descriptor, 4096, prot=mmap.PROT_READ) as view:
                assert view[0] == 0
    finally:
        os.close(descriptor)

"""Model files, as the parent looks at them before any library does, and the wire to the worker."""

from __future__ import annotations

import functools
import io
import json
import mmap
import pickle
import socket
import struct
import tempfile
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from auditkit.models.bundle import Description, read_bundle
from auditkit.models.prechecks.safetensors_file import read_header
from auditkit.models.refuse import refuse_code
from auditkit.models.skops_file import read_skops
from auditkit.models.worker.segments import Segment
from auditkit.models.worker.wire import (
    ConnectionLostError,
    Frame,
    WireError,
    pack_batch,
    receive,
    send,
    unpack_batch,
)
from tests.fuzz.mutators import dump, json_mutation, mutate_bytes, mutate_tree, zip_mutation
from tests.fuzz.target import Target


def _safetensors(data: bytes, folder: Path) -> None:
    header = read_header(io.BytesIO(data), len(data), "m.safetensors")
    ends = [entry.end for entry in header.tensors.values()]
    assert max(ends, default=0) <= len(data), "a tensor beyond the end of the file was accepted"


def with_header(header: bytes, body: bytes = b"") -> bytes:
    """A safetensors file."""
    return struct.pack("<Q", len(header)) + header + body


def _tensors() -> list[bytes]:
    one: dict[str, Any] = {"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    more = {
        **one,
        "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
        "e": {"dtype": "I64", "shape": [0], "data_offsets": [32, 32]},
        "__metadata__": {"format": "pt"},
    }
    return [with_header(json.dumps(one).encode(), bytes(24)), with_header(json.dumps(more).encode(), bytes(32))]


def mutate_safetensors(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    if rng.random() < 0.3 or len(data) < 8:
        return mutate_bytes(data, rng, tokens)
    (length,) = struct.unpack("<Q", data[:8])
    header, body = data[8 : 8 + length], data[8 + length :]
    words = ("w", "b", "dtype", "shape", "data_offsets", "F32", "F64", "BOOL", "BF16", "__metadata__", 24, 32, 8)
    if rng.random() < 0.2:
        body = body[: rng.randrange(len(body) + 1)] + bytes(rng.choice((0, 1, 8)))
    return with_header(json_mutation(words)(header, rng, tokens), body)


def _skops(data: bytes, folder: Path) -> None:
    path = folder / "m.skops"
    path.write_bytes(data)
    read_skops(path)


@functools.cache
def _estimators() -> list[bytes]:
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    x, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    return [skops.io.dumps(model.fit(x, y)) for model in (LogisticRegression(), DecisionTreeClassifier(max_depth=2))]


def _any_file(data: bytes, folder: Path) -> None:
    """What is looked at first, of every model file: can it run code?"""
    for name in ("m", "m.bin", "m.safetensors"):
        (folder / name).write_bytes(data)
        refuse_code(folder / name, "torch")


def _any_files() -> list[bytes]:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps([1]))
    value = {"a": [1, 2.5, "x"], "b": np.arange(3)}
    pickles = [pickle.dumps(value, protocol=protocol) for protocol in range(6)]
    return [zipped.getvalue(), *pickles, b"\x1f\x8b\x08" + bytes(20), b"x" * 40]


@functools.cache
def _bundle() -> tuple[bytes, bytes]:
    """`model.json` and the weights of a small network that was trained here."""
    from tests.models.tables import as_dataset, mixed_table, train

    with tempfile.TemporaryDirectory() as folder:
        train(as_dataset(mixed_table()), Path(folder) / "out")
        out = Path(folder) / "out"
        return (out / "model.json").read_bytes(), (out / "model.safetensors").read_bytes()


def _description(data: bytes, folder: Path) -> None:
    (folder / "model.json").write_bytes(data)
    (folder / "model.safetensors").write_bytes(_bundle()[1])
    read = read_bundle(folder).description
    assert Description.model_validate_json(read.to_json()) == read


def _receive(data: bytes, folder: Path) -> None:
    """What a worker sends that was taken over by its model: a frame, or a clear no; never more than was sent."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(2)

        def deliver() -> None:
            try:
                here.sendall(data)
                here.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the other side had enough

        sender = threading.Thread(target=deliver)
        sender.start()
        segment = Segment(mmap.mmap(-1, 64))
        try:
            frame = receive(there, 2, shared=segment)
        finally:
            there.close()
            sender.join()
            segment.close()
    columns = frame.fields.get("columns")
    if isinstance(columns, list):
        unpack_batch(columns, frame.arrays)


def _frames() -> list[bytes]:
    column = np.array(["a", None, "ü"], dtype=object)
    columns, arrays = pack_batch({"x": np.arange(3.0), "t": column})
    one = _frame(Frame("predict", {"columns": columns}, arrays))
    bare = _frame(Frame("values", {}, {"0": np.arange(3.0)}))
    shared = b"AKM1" + bare[4:-24]
    return [one, _frame(Frame("ready", {"info": {"kind": "torch"}})), shared]


def _frame(frame: Frame) -> bytes:
    here, there = socket.socketpair()
    with here, there:
        send(here, frame, 5)
        return there.recv(1 << 20)


def _rewired(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    if rng.random() < 0.4 or len(data) < 16:
        return mutate_bytes(data, rng, tokens)
    magic, length, _ = struct.unpack("<4sIQ", data[:16])
    header, body = data[16 : 16 + length], data[16 + length :]
    try:
        header = dump(
            mutate_tree(json.loads(header), rng, ("op", "fields", "arrays", "<f8", "<i4", "|u1", "0", "1.codes"))
        )
    except (ValueError, RecursionError):
        header = mutate_bytes(header, rng, tokens)
    body = body if rng.random() < 0.8 else mutate_bytes(body, rng, tokens)
    return struct.pack("<4sIQ", magic, len(header), len(body)) + header + body


_CHECKS = ("auditkit.models.refuse", "auditkit.models.reading")
TARGETS = (
    Target(
        name="safetensors",
        about="the header of a safetensors file",
        run=_safetensors,
        seeds=_tensors,
        traced=("auditkit.models.prechecks.safetensors_file", "auditkit.models.reading"),
        mutate=mutate_safetensors,
        tokens=(b'"w":', b"[0,0]", b"-1", b"1e9"),
    ),
    Target(
        name="skops",
        about="a skops file, before skops reads it",
        run=_skops,
        seeds=_estimators,
        traced=("auditkit.models.skops_file", *_CHECKS),
        mutate=zip_mutation(json_mutation(("__loader__", "__module__", "__class__", "TreeNode", "functools"))),
        tokens=(b"PK\x03\x04",),
    ),
    Target(
        name="model-file",
        about="any file in the place of a model: can it run code?",
        run=_any_file,
        seeds=_any_files,
        traced=_CHECKS,
        tokens=(b"PK\x03\x04", b"\x80\x04", b"}q\x00", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\x00", b"x\x9c", b"<html"),
    ),
    Target(
        name="model-json",
        about="`model.json` of a trained model",
        run=_description,
        seeds=lambda: [_bundle()[0]],
        traced=("auditkit.models.bundle", "auditkit.models.preprocessing", "auditkit.models.reading"),
        mutate=json_mutation(("logits", "values", "regression", "categorical", "multiclass-classification")),
        tokens=(b"null",),
    ),
    Target(
        name="wire",
        about="what a worker answers",
        run=_receive,
        seeds=_frames,
        traced=("auditkit.models.worker.wire", "auditkit.models.strings"),
        mutate=_rewired,
        tokens=(b"AKW1", b"AKM1", b"<f8", b"<i4"),
        codes=frozenset(),
        refusals=(WireError, ConnectionLostError, TimeoutError),
    ),
)

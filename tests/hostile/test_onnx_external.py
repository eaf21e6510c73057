"""External data of hostile ONNX files: only files beside the model, and only as much of them as they have."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from auditkit.models.prechecks.onnx_file import check_onnx
from tests.hostile.onnx_files import (
    attribute,
    blob,
    entry,
    external,
    function,
    graph,
    int64,
    model,
    node,
    num,
    refused,
    save,
    sparse,
    tensor,
    with_external,
)


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

"""Directories of models, files of torch and of ONNX: what the parent reads of them before a worker loads anything."""

from __future__ import annotations

import functools
import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from auditkit.models.prechecks.hf_directory import check_hf_directory
from auditkit.models.prechecks.onnx_file import check_onnx
from auditkit.models.torch_file.archive import check_torch_file
from auditkit.models.torch_file.pickle_table import read_table
from tests.fuzz.mutators import MOST, json_mutation, mutate_bytes, zip_mutation
from tests.fuzz.target import Target
from tests.fuzz.targets.models import mutate_safetensors
from tests.hostile import hf_files, onnx_files

#: A folder is a run of entries: what it is, which of `NAMES` it has, the length of its content, the content.
_ENTRY = struct.Struct("<BBH")
FILE, LINK, FOLDER = range(3)
NAMES = (
    "config.json", "model.safetensors", "model.safetensors.index.json", "model-1-of-2.safetensors",
    "model-2-of-2.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", "preprocessor_config.json", "processor_config.json",
    "generation_config.json", "adapter_config.json", "modeling_x.py", "pytorch_model.bin", "chat_template.jinja",
    "m.onnx", "w.bin", "x",
)  # fmt: skip
Entry = tuple[int, int, bytes]


def entries_of(data: bytes) -> list[Entry]:
    """The entries of a folder; what is no whole entry at the end is one all the same."""
    found, at = [], 0
    while at + _ENTRY.size <= len(data) and len(found) < 30:
        kind, name, length = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        found.append((kind % 3, name % len(NAMES), data[at : at + length]))
        at += length
    return found


def packed(entries: Sequence[Entry]) -> bytes:
    """A folder as bytes."""
    return b"".join(
        _ENTRY.pack(kind, name, len(content)) + content for kind, name, content in entries if len(content) < MOST
    )


def unpack(data: bytes, folder: Path) -> None:
    """Make the folder. Links may lead anywhere: nothing here writes through one."""
    for kind, name, content in entries_of(data):
        path = folder / NAMES[name]
        if path.is_symlink() or path.exists():
            continue
        if kind == FOLDER:
            path.mkdir()
        elif kind == LINK:
            path.symlink_to(content.replace(b"\0", b"")[:200].decode(errors="ignore") or "x")
        else:
            path.write_bytes(content)


def folder_as_bytes(folder: Path) -> bytes:
    """The files of a folder whose names are known."""
    return packed([(FILE, NAMES.index(path.name), path.read_bytes()) for path in sorted(folder.iterdir())])


def _mutate_folder(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    """Mutate one file by what it is; or drop, double, rename it, put a link or a folder in its place."""
    entries = entries_of(data)
    if not entries:
        return mutate_bytes(data, rng, tokens)
    at, way = rng.randrange(len(entries)), rng.randrange(10)
    kind, name, content = entries[at]
    if way <= 5:
        mutate = mutate_safetensors if content[8:9] == b"{" else _JSON if content[:1] == b"{" else mutate_bytes
        entries[at] = (kind, name, mutate(content, rng, tokens))
    elif way == 6:
        del entries[at]
    elif way == 7:
        entries[at] = (kind, rng.randrange(len(NAMES)), content)
    elif way == 8:
        targets = (
            b"../x",
            b"/etc/passwd",
            NAMES[rng.randrange(len(NAMES))].encode(),
            b"/dev/zero",
            NAMES[name].encode(),
            b".",
        )
        entries[at] = (rng.choice((LINK, FOLDER)), name, rng.choice(targets))
    else:
        entries.append((kind, rng.randrange(len(NAMES)), content))
    return packed(entries)


_JSON = json_mutation(
    (
        "model_type", "bert", "auto_map", "x.y", "someone/repo--mod.Class", "trust_remote_code", "_name_or_path",
        "attn_implementation", "kernels-community/x", "weight_map", "metadata", "a.weight", "model-1-of-2.safetensors",
        "quantization_config", "base_model_name_or_path", "AutoModel", "custom_pipelines", "dtype", "tokenizer_class",
    )
)  # fmt: skip


def _hf(data: bytes, folder: Path) -> None:
    unpack(data, folder)
    check_hf_directory(folder)


def _hf_folders() -> list[bytes]:
    import tempfile

    found = []
    for make in (hf_files.directory, hf_files.sharded):
        with tempfile.TemporaryDirectory() as name:
            found.append(folder_as_bytes(make(Path(name) / "m")))
    return found


def _onnx(data: bytes, folder: Path) -> None:
    """The first entry is the model, whatever its name; the others stand beside it."""
    (folder / "w.bin").write_bytes(bytes(64))
    (folder / "m.onnx").write_bytes(data)
    check_onnx(folder / "m.onnx")


def _onnx_models() -> list[bytes]:
    f = onnx_files
    external = f.external(location="w.bin", offset="0", length="8")
    inside = f.graph([f.node("Add", outputs=["z"]), f.node("Relu", ["z"])], [f.tensor(), f.int64("i", [1, 2], [2])])
    local = f.model(
        f.graph([f.node("f", domain="local")]), more=f.blob(25, f.function("f", [f.node("Add", ["a", "b"])]))
    )
    return [f.model(), f.model(f.graph(initializers=[external])), f.model(inside), local]


def _mutate_onnx(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    """Put a message that can be read in the place of a piece, or mutate the bytes."""
    if rng.random() < 0.6:
        return mutate_bytes(data, rng, tokens)
    f = onnx_files
    pieces: tuple[Callable[[], bytes], ...] = (
        lambda: f.model(
            f.graph([f.node(rng.choice(("Add", "If", "Loop", "Custom", "")), domain=rng.choice(("", "x")))])
        ),
        lambda: f.model(
            f.graph(
                initializers=[
                    f.tensor(dims=(rng.choice((0, 2, 1 << 20, 1 << 62)),), data_type=rng.randrange(30), raw=bytes(8))
                ]
            )
        ),
        lambda: f.model(f.graph(initializers=[f.external(location=rng.choice(("../x", "/x", "w.bin", "", "x")))])),
        lambda: f.model(f.graph(initializers=[f.external(location="w.bin", offset=rng.choice(("-1", "9e9", "60")))])),
        lambda: f.model(opset=rng.choice((0, 1, 99, 1 << 40))),
        lambda: data + f.num(rng.randrange(1, 40), rng.randrange(1 << 40)),
        lambda: data + f.blob(rng.randrange(1, 40), data[: rng.randrange(len(data) + 1)]),
        lambda: f.model(f.graph(more=f.blob(5, f.tensor() * rng.choice((1, 3))))),
    )
    return rng.choice(pieces)()


def _torch(data: bytes, folder: Path) -> None:
    """What passes as a table of tensors is loaded by torch as well: it must not take the process down."""
    found = check_torch_file(io.BytesIO(data), len(data), "m.pt")
    if found is not None and found.form == "state_dict":
        _use(data)


def _use(data: bytes) -> None:
    from auditkit.models.torch_file.weights import load_tensors

    try:
        tensors = load_tensors(data)
    except Exception:  # noqa: BLE001 - torch raises whatever it likes, in the worker; a crash is something else
        return
    for tensor in tensors.values():
        tensor.float().sum().item()


@functools.cache
def _torch_files() -> list[bytes]:
    import torch

    states = (
        {"w": torch.zeros(2, 3), "b": torch.ones(3, dtype=torch.bfloat16)},
        {"w": torch.arange(12.0).reshape(3, 4).t(), "n": torch.tensor(3), "e": torch.empty(0, dtype=torch.int64)},
        torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).state_dict(),
    )
    return [_saved(state) for state in states]


def _saved(state: object) -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def _pickle(data: bytes, folder: Path) -> None:
    """The table alone, of a file with three storages of 24 bytes."""
    read_table(data, dict.fromkeys("012", 24), "m.pt")


@functools.cache
def _pickles() -> list[bytes]:
    import torch

    states = (
        {"w": torch.zeros(2, 3), "b": torch.zeros(6), "n": torch.arange(3)},
        {
            "w": torch.zeros(3, 2).t(),
            "b": torch.zeros(12, dtype=torch.bfloat16)[::2],
            "n": torch.ones(24, dtype=torch.bool),
        },
    )
    found = []
    for content in map(_saved, states):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            found.append(archive.read(name))
    return found


_OPCODES = tuple(
    [bytes([code]) for code in range(256)]
    + [
        b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"cos\nsystem\n",
        b"ccollections\nOrderedDict\n", b"X\x01\x00\x00\x00a", b"K\x00", b"K\xff", b"J\xff\xff\xff\xff",
        b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", b")R", b"(tR", b"q\x00h\x00", b"}q\x01",
        b"\x80\x04\x95" + bytes(8), b"\x8c\x01a", b"\x93", b"Q", b"b", b"2", b"0", b"N", b"\x88", b".",
    ]
)  # fmt: skip
_TORCH = ("auditkit.models.torch_file.archive", "auditkit.models.torch_file.zip_check")
_TABLE = ("auditkit.models.torch_file.pickle_table", "auditkit.models.torch_file.tensor_rows")
TARGETS = (
    Target(
        name="hf-directory",
        about="a Hugging Face directory",
        run=_hf,
        seeds=_hf_folders,
        traced=("auditkit.models.prechecks", "auditkit.models.reading", "auditkit.core.files"),
        mutate=_mutate_folder,
        tokens=(b'"auto_map": {"AutoModel": "x.Y"}', json.dumps(hf_files.CONFIG).encode(), b"{%", b"null"),
    ),
    Target(
        name="onnx",
        about="an ONNX file and what stands beside it",
        run=_onnx,
        seeds=_onnx_models,
        traced=("auditkit.models.prechecks",),
        mutate=_mutate_onnx,
        tokens=(b"\x0a\x00", b"\xff\xff\xff\xff\x0f", b"location", b"w.bin", b"../w.bin", b"ai.onnx", b"\x0b", b"\x3a"),
    ),
    Target(
        name="torch-file",
        about="a file of `torch.save`, TorchScript or torch.export; and torch itself on what passes as tensors",
        run=_torch,
        seeds=_torch_files,
        traced=(*_TORCH, *_TABLE),
        mutate=zip_mutation(mutate_bytes),
        tokens=(
            b"PK\x03\x04",
            b"PK\x01\x02",
            b"PK\x05\x06",
            b"PK\x06\x06",
            b"constants.pkl",
            b"archive_format",
            b"data.pkl",
        ),
    ),
    Target(
        name="pickle-table",
        about="the pickle inside, as a table of tensors",
        run=_pickle,
        seeds=_pickles,
        traced=_TABLE,
        tokens=_OPCODES,
    ),
)

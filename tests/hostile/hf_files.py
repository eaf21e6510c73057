"""Hugging Face directories for the tests, written byte by byte: no library of theirs takes part."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "_name_or_path": "someone/bert-base",
    "dtype": "float32",
    "hidden_size": 8,
}
TENSORS = {"a.weight": (2, 3), "a.bias": (3,), "b.weight": (4,)}


def safetensors_of(shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """A file of float32 zeros of these shapes."""
    header, position = {}, 0
    for name, shape in shapes.items():
        size = 4
        for length in shape:
            size *= length
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(position)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def directory(path: Path, **config: Any) -> Path:
    """A small directory that passes; `config` adds keys to its config.json."""
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "config.json", {**CONFIG, **config})
    (path / "model.safetensors").write_bytes(safetensors_of(TENSORS))
    write_json(path / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})
    (path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n")
    return path


def sharded(path: Path) -> Path:
    """The same weights in two shards and an index."""
    directory(path)
    (path / "model.safetensors").unlink()
    parts = {"model-1-of-2.safetensors": ("a.weight", "a.bias"), "model-2-of-2.safetensors": ("b.weight",)}
    for shard, names in parts.items():
        (path / shard).write_bytes(safetensors_of({name: TENSORS[name] for name in names}))
    places = {name: shard for shard, names in parts.items() for name in names}
    write_json(path / "model.safetensors.index.json", {"metadata": {"total_size": 52}, "weight_map": places})
    return path


def edit_index(path: Path, **places: str) -> None:
    """Change where the index says that tensors are; `__` in a name stands for a dot."""
    index = json.loads((path / "model.safetensors.index.json").read_text())
    index["weight_map"] |= {name.replace("__", "."): shard for name, shard in places.items()}
    write_json(path / "model.safetensors.index.json", index)

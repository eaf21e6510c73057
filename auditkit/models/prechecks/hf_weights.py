"""The weights of a Hugging Face directory: safetensors alone, in one file or in the shards that an index names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditkit.core.errors import InputRefusedError
from auditkit.models.prechecks.safetensors_file import MAX_TENSORS, SafetensorsHeader, TensorEntry, read_header
from auditkit.models.reading import MEGABYTE, open_regular, parse_json, read_regular

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_INDEX = 8 * MEGABYTE
MAX_SHARDS = 1_000
_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.safetensors")
#: transformers (`distributed/checkpoint.py`) loads files of such names in place of model.safetensors.
_DISTRIBUTED = re.compile(r"shard-[0-9]{5}-model-[0-9]{5}-of-[0-9]{5}\.safetensors")
#: Other weights, none of which is ever read: those that are pickles, and those of other frameworks.
_OTHER = re.compile(r".*\.(bin|pt|pth|ckpt|pkl|pickle|h5|hdf5|msgpack|ot|gguf|onnx|tflite|joblib|index\.json)", re.I)


def read_weights(root: Path, names: frozenset[str]) -> tuple[tuple[str, ...], Mapping[str, TensorEntry]]:
    """The files that hold the weights, and their tensors by name. `names`: the files that stand in `root`.

    As `from_pretrained(use_safetensors=True)` chooses: model.safetensors, else the index and its shards. Every other
    safetensors file beside them is checked as well. Raises `InputRefusedError`.
    """
    distributed = next((name for name in sorted(names) if _DISTRIBUTED.fullmatch(name)), None)
    if distributed is not None:
        raise InputRefusedError(
            f"{root / distributed}: a shard of a distributed checkpoint, which would be loaded in place of {WEIGHTS}; "
            "remove it, or save the model again with `save_pretrained`"
        )
    if WEIGHTS in names:
        used: tuple[str, ...] = (WEIGHTS,)
        tensors = dict(_header(root / WEIGHTS, root).tensors)
    elif INDEX in names:
        used, tensors = _read_shards(root, names)
    else:
        raise InputRefusedError(f"{root}: {_nothing(names)}")
    for name in sorted(names - set(used)):
        if name.endswith(".safetensors"):
            _header(root / name, root)
    if not tensors:
        raise InputRefusedError(f"{root}: its weights hold no tensor")
    return used, tensors


def _nothing(names: frozenset[str]) -> str:
    others = sorted(name for name in names if _OTHER.fullmatch(name))
    if not others:
        return f"no weights in it; {WEIGHTS} is read, which `save_pretrained` writes"
    shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
    return (
        f"no {WEIGHTS} in it, and {shown} can run code when it is loaded, or belongs to another library. Convert it "
        "where you trust it: `model.save_pretrained(DIR)` writes safetensors"
    )


def _header(path: Path, root: Path) -> SafetensorsHeader:
    with open_regular(path, root=root) as (stream, size):
        return read_header(stream, size, str(path))


def _read_shards(root: Path, names: frozenset[str]) -> tuple[tuple[str, ...], dict[str, TensorEntry]]:
    """transformers joins the names in the index to the directory as they stand, `..` and absolute paths included."""
    where = str(root / INDEX)
    places = _weight_map(parse_json(read_regular(root / INDEX, limit=MAX_INDEX, root=root), where), where)
    shards = tuple(sorted(set(places.values())))
    if len(shards) > MAX_SHARDS:
        raise InputRefusedError(f"{where}: {len(shards):,} shards, more than the {MAX_SHARDS:,} that are read")
    for shard in shards:
        if not _SHARD.fullmatch(shard):
            raise InputRefusedError(
                f"{where}: a shard named {shard[:100]!r}; only safetensors files of this directory are read"
            )
        if shard not in names:
            raise InputRefusedError(f"{where}: it names {shard[:100]!r}, which is not there; is a download unfinished?")
    tensors: dict[str, TensorEntry] = {}
    for shard in shards:
        for name, entry in _header(root / shard, root).tensors.items():
            if places.get(name) != shard:
                said = f"says {places[name]}" if name in places else "doesn't know it"
                raise InputRefusedError(f"{root / shard}: it holds {name[:100]!r}, but the index {said}")
            tensors[name] = entry
    missing = next((name for name in places if name not in tensors), None)
    if missing is not None:
        raise InputRefusedError(f"{where}: {places[missing]} should hold {missing[:100]!r}, and does not")
    return (INDEX, *shards), tensors


def _weight_map(index: Any, where: str) -> dict[str, str]:
    if not isinstance(index, dict) or not isinstance(index.get("weight_map"), dict):
        raise InputRefusedError(f"{where}: no index: expected an object with `weight_map`")
    places: dict[str, str] = index["weight_map"]
    if not places or not all(isinstance(shard, str) for shard in places.values()):
        raise InputRefusedError(f"{where}: weight_map: expected the name of a file for each tensor")
    if len(places) > MAX_TENSORS:
        raise InputRefusedError(f"{where}: {len(places):,} tensors, more than the {MAX_TENSORS:,} that are read")
    if not isinstance(index.get("metadata", {}), dict):
        raise InputRefusedError(f"{where}: metadata is no object")
    return places

"""A Hugging Face model directory as hostile files: what it holds, what it asks for, and how to load it safely.

Checked against the source of transformers 5.23. Nothing is imported and nothing is built: weights must be safetensors,
configs strict JSON that asks for nothing beyond the directory, and every link must stay inside. A directory that brings
code (`auto_map`) needs trust in its digest, whether or not transformers knows its type: with `trust_remote_code=False`
a known type loads as transformers' own class, which need not be the model that was published.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditkit.core.errors import InputRefusedError
from auditkit.core.files import sha256_tree
from auditkit.core.model import Trusted
from auditkit.models.prechecks.hf_config import (
    CONFIGS,
    MAX_TEMPLATE,
    check_config,
    check_references,
    code_references,
)
from auditkit.models.prechecks.hf_weights import read_weights
from auditkit.models.prechecks.safetensors_file import TensorEntry
from auditkit.models.reading import MEGABYTE, parse_json, read_regular, resolve_inside
from auditkit.models.trust import NOBODY, Trust

MAX_CONFIG = 4 * MEGABYTE
#: Vocabularies and what a tokenizer was trained to: never parsed here.
MAX_VOCABULARY = 256 * MEGABYTE
MAX_ENTRIES = 10_000
_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "tekken.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
_PROCESSORS = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class HfDirectory:
    """A checked directory. `ignored` are the files in it that the safe arguments never open."""

    path: Path
    config: Mapping[str, Any]
    weights: tuple[str, ...]
    tensors: Mapping[str, TensorEntry]
    tokenizer: tuple[str, ...]
    processor: tuple[str, ...]
    ignored: tuple[str, ...]
    #: Where it brings code: the digest of the whole directory, and who named it.
    trusted: Trusted | None = None

    @property
    def load_arguments(self) -> dict[str, Any]:
        """Keyword arguments of `AutoModelFor....from_pretrained(path, ...)`.

        It then returns (model, loading info); the info belongs to `check_loading_info`.
        """
        return {
            **self.tokenizer_arguments,
            "use_safetensors": True,
            "weights_only": True,
            "attn_implementation": "eager",
            "use_kernels": False,
            "allow_all_kernels": False,
            "ignore_mismatched_sizes": False,
            "output_loading_info": True,
        }

    @property
    def tokenizer_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `AutoConfig`, `AutoTokenizer` and `AutoProcessor`.

        `trust_remote_code` must be given: left out, transformers asks on the terminal and runs the code on a "y".
        """
        return {"trust_remote_code": self.trusted is not None, "local_files_only": True}


def check_hf_directory(path: Path, trust: Trust = NOBODY) -> HfDirectory:
    """Read and check a model directory. Raises `InputRefusedError` that names the file and what is wrong with it.

    Where the directory brings code that transformers would import, `trust` must name the directory's digest.
    """
    names = frozenset(_list(path))
    if "adapter_config.json" in names:
        raise InputRefusedError(
            f"{path / 'adapter_config.json'}: an adapter, whose base model would be fetched by name; merge both where "
            "you have them (`model.merge_and_unload().save_pretrained(DIR)`) and audit the whole model"
        )
    if "config.json" not in names:
        raise InputRefusedError(f"{path}: no config.json in it; a directory that `save_pretrained` wrote is read")
    configs = {name: _read_config(path, name) for name in CONFIGS if name in names}
    config = configs["config.json"]
    if not isinstance(config.get("model_type"), str):
        raise InputRefusedError(f"{path / 'config.json'}: no `model_type`, so the library would guess it")
    _check_templates(path, names)
    weights, tensors = read_weights(path, names)
    tokenizer = tuple(name for name in _TOKENIZERS if name in names)
    for name in tokenizer:
        _check_size(path / name, path)
    processor = tuple(name for name in _PROCESSORS if name in names)
    trusted = _code(path, configs, trust)
    used = {*weights, *tokenizer, *processor, *configs}
    ignored = tuple(sorted(name for name in names - used if trusted is None or not name.endswith(".py")))
    return HfDirectory(path, config, weights, tensors, tokenizer, processor, ignored, trusted)


def check_loading_info(info: Mapping[str, Collection[Any]], where: str) -> None:
    """Refuse a model whose weights did not fit: transformers fills what is missing with random numbers, and goes on.

    `info` is what `from_pretrained(..., output_loading_info=True)` gives beside the model. Raises `InputRefusedError`
    that starts with `where`; a model without its head would otherwise be audited as if it had one.
    """
    says = {
        "missing_keys": "lacks {} that the model needs (transformers would make up random numbers): {}",
        "mismatched_keys": "has {} of another shape than the model's: {}",
        "unexpected_keys": "has {} that the model does not use, so this is not the model it was saved as: {}",
        "error_msgs": "could not be loaded, {}: {}",
    }
    for key, text in says.items():
        found = sorted(str(item[0] if isinstance(item, (tuple, list)) else item) for item in info.get(key, ()))
        if found:
            what = "problem" if key == "error_msgs" else "tensor"
            count = f"{len(found):,} {what}{'s' if len(found) > 1 else ''}"
            shown = ", ".join(name[:100] for name in found[:3]) + (", ..." if len(found) > 3 else "")
            raise InputRefusedError(f"{where}: its weights file {text.format(count, shown)}")


def _code(path: Path, configs: Mapping[str, Any], trust: Trust) -> Trusted | None:
    references = {reference: name for name, value in configs.items() for reference in code_references(value)}
    if not references:
        return None
    check_references(references, path)
    shown = ", ".join(sorted(references)[:3])
    return trust.require(path, sha256_tree(path), f"it brings code of its own ({shown[:200]}; auto_map)")


def _read_config(path: Path, name: str) -> dict[str, Any]:
    where = str(path / name)
    value = parse_json(read_regular(path / name, limit=MAX_CONFIG, root=path), where)
    if not isinstance(value, dict):
        raise InputRefusedError(f"{where}: a JSON {type(value).__name__}, not an object")
    check_config(value, where)
    return value


def _check_templates(path: Path, names: frozenset[str]) -> None:
    for name in sorted(names):
        if name.endswith(".jinja"):
            read_regular(path / name, limit=MAX_TEMPLATE, root=path)


def _check_size(path: Path, root: Path) -> None:
    size = resolve_inside(path, root).stat().st_size
    if size > MAX_VOCABULARY:
        raise InputRefusedError(f"{path}: {size:,} bytes, more than the {MAX_VOCABULARY:,} that are read")


def _list(path: Path) -> list[str]:
    """Every file below `path`, by its relative name. Raises for links that leave, pipes, devices and too many files."""
    if not path.is_dir():
        what = "no such directory" if not path.exists() else "a file"
        raise InputRefusedError(f"{path}: {what}; a Hugging Face model is the directory that `save_pretrained` writes")
    names: list[str] = []
    for entry in _entries(path):
        name = entry.relative_to(path).as_posix()
        mode = resolve_inside(entry, path).stat().st_mode
        if stat.S_ISREG(mode):
            names.append(name)
        elif not stat.S_ISDIR(mode):
            raise InputRefusedError(f"{entry}: not a regular file (a pipe, a socket or a device)")
    return names


def _entries(root: Path) -> Iterator[Path]:
    count = 0
    waiting = [root]
    try:
        while waiting:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    count += 1
                    if count > MAX_ENTRIES:
                        raise InputRefusedError(f"{root}: more than {MAX_ENTRIES:,} files; no model has so many")
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    yield Path(entry.path)
    except OSError as error:
        raise InputRefusedError(f"{root}: can't be listed ({error.strerror})") from None

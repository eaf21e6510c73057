"""What the JSON files of a Hugging Face directory ask the library to do, found before the library reads them.

The keys below are those of transformers 5.23 that make it run or fetch something, or read another file than the one
that was checked. Each comment names the code that acts on the key. Arguments to `from_pretrained` do not outrank them
all: `_attn_implementation` in a config is set after, and wins over, an explicit `attn_implementation="eager"`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auditkit.core.errors import InputRefusedError

#: Every JSON file that a loader of transformers may open by itself, but for the vocabularies and the index.
CONFIGS = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "audio_tokenizer_config.json",
    "chat_template.json",
    "adapter_config.json",
)
#: `AutoConfig`, `AutoModel*`, `AutoTokenizer`, ... import the class that `auto_map` names (dynamic_module_utils.py);
#: `pipeline()` that of `custom_pipelines`.
_CODE = ("auto_map", "custom_pipelines")
#: `modeling_utils.py: _check_and_adjust_attn_implementation` loads `org/repo` from the hub as a kernel, and takes a
#: kernel for `flash_attention_*` too where the package is absent. `integrations/moe.py`: deepgemm, sonicmoe likewise.
_IMPLEMENTATIONS = {
    "attn_implementation": ("eager", "sdpa"),
    "experts_implementation": ("eager", "batched_mm", "grouped_mm"),
}
#: `PreTrainedModel.from_pretrained` takes these as arguments; a subclass may pass its config's keys on.
_KERNELS = ("use_kernels", "allow_all_kernels", "kernel_config")
#: `quantizers/auto.py`: each method imports a library of native code (quark, hqq, torchao, ...) and calls it.
_QUANTIZATION = ("quantization_config", "compression_config")
#: Keys that lead to a file other than the one checked. `configuration_utils.py: get_config_dict` reads the newest of
#: `configuration_files` in place of config.json, `get_fast_tokenizer_file` that of `fast_tokenizer_files`;
#: `transformers_weights` is opened in place of model.safetensors whatever `use_safetensors` says; `gguf_file` builds a
#: tokenizer from that file; `init_inputs` are positional arguments, the first of which is a file's name;
#: `processing_utils.py` loads a whole further model from `audio_tokenizer`, without `trust_remote_code=False`.
_OTHER_FILES = {
    "configuration_files": "keep one config.json and remove the key",
    "fast_tokenizer_files": "keep one tokenizer.json and remove the key",
    "transformers_weights": "name the weights model.safetensors and remove the key",
    "gguf_file": "save the tokenizer as tokenizer.json and remove the key",
    "init_inputs": "remove the key",
    "audio_tokenizer": "models with an audio tokenizer of its own are not read",
    "audio_tokenizer_name_or_path": "models with an audio tokenizer of its own are not read",
}
#: A chat template is a program in Jinja's sandbox, and runs only where somebody renders it; it is bounded all the same.
MAX_TEMPLATE = 1 << 20


def check_config(value: Any, where: str) -> None:
    """Refuse what a config asks for beyond the files of its directory.

    Refused: kernels from the hub, quantisation by native libraries, keys that lead to other files, huge templates. Code
    is not judged here, see `code_references`. Raises `InputRefusedError` that starts with `where` and names the key.
    """
    for place, key, found in _walk(value):
        _check_implementation(f"{where}: {place}", key, found)
        if key in _KERNELS and found not in (None, False):
            raise InputRefusedError(f"{where}: {place} asks for kernels, which are fetched code; remove the key")
        if key in _QUANTIZATION and found is not None:
            raise InputRefusedError(
                f"{where}: {place}: quantised weights are unpacked by a library of native code that the file chooses "
                "and need hardware of its kind; save the model in float32, float16 or bfloat16"
            )
        if key in _OTHER_FILES and found not in (None, [], ()):
            raise InputRefusedError(f"{where}: {place} leads to another file; {_OTHER_FILES[key]}")
        if key in ("chat_template", "template") and isinstance(found, str) and len(found) > MAX_TEMPLATE:
            raise InputRefusedError(f"{where}: {place}: a template of {len(found):,} characters, more than are read")


def _check_implementation(where: str, key: str, found: Any) -> None:
    allowed = _IMPLEMENTATIONS.get(key.removeprefix("_").removesuffix("_internal"))
    if allowed is None:
        return
    for choice in found.values() if isinstance(found, dict) else (found,):
        if choice is not None and choice not in allowed:
            raise InputRefusedError(
                f"{where} asks for {str(choice)[:100]!r}, which can be code from the hub; write {allowed[0]!r} or "
                "remove the key"
            )


def code_references(value: Any) -> tuple[str, ...]:
    """The classes that `auto_map` and its like name, as `module.Class` or `org/repo--module.Class`, each once."""
    named = [reference for _, key, found in _walk(value) if key in _CODE for reference in _strings(found)]
    return tuple(dict.fromkeys(named))


def check_references(references: Mapping[str, str], root: Path) -> None:
    """Raise `InputRefusedError` where code that is named does not stand in the directory itself.

    `references` maps each to the file that names it. A digest of the directory says nothing about code that would come
    from another repository.
    """
    for reference, name in references.items():
        module = reference.rpartition(".")[0]
        if "--" in reference or not module.isidentifier() or not (root / f"{module}.py").is_file():
            raise InputRefusedError(
                f"{root / name}: auto_map names {reference[:100]!r}, code that is not in this directory; no digest of "
                "the directory can vouch for it. Copy the module beside the config, and name it as module.Class"
            )


def _walk(value: Any) -> Iterator[tuple[str, str, Any]]:
    """Every key at any depth, with its place. The nesting was bounded when the JSON was parsed."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        place, node = waiting.pop()
        if isinstance(node, dict):
            for key, found in node.items():
                here = f"{place}.{key}" if place else key
                yield here[:200], key, found
                if isinstance(found, (dict, list)):
                    waiting.append((here[:200], found))
        elif isinstance(node, list):
            waiting += [(f"{place}[{i}]", found) for i, found in enumerate(node) if isinstance(found, (dict, list))]


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node

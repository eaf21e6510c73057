"""Hostile Hugging Face directories: refused before transformers sees them, each with one line that names the file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.core.files import sha256_tree
from auditkit.models.prechecks.hf_directory import check_hf_directory, check_loading_info
from auditkit.models.trust import Trust
from tests.hostile.hf_files import CONFIG, TENSORS, directory, edit_index, safetensors_of, sharded, write_json

CODE = {"AutoConfig": "mine.Config", "AutoModelForSequenceClassification": "mine.Model"}


def refused(path: Path, message: str, trust: Trust | None = None) -> str:
    with pytest.raises(InputRefusedError, match=message) as caught:
        check_hf_directory(path, trust or Trust())
    text = str(caught.value)
    assert text.startswith(str(path))
    assert len(text.splitlines()) == 1
    assert len(text) < 800
    return text


def test_a_plain_directory_passes(tmp_path: Path) -> None:
    path = directory(tmp_path / "m")
    (path / "README.md").write_text("words")
    (path / "pytorch_model.bin").write_bytes(b"never read")
    found = check_hf_directory(path)
    assert found.weights == ("model.safetensors",)
    assert {name: entry.shape for name, entry in found.tensors.items()} == TENSORS
    assert found.config["model_type"] == "bert"
    assert found.tokenizer == ("tokenizer_config.json", "vocab.txt")
    assert found.ignored == ("README.md", "pytorch_model.bin")
    assert found.load_arguments["trust_remote_code"] is False
    assert found.load_arguments["use_safetensors"] is True
    assert found.load_arguments["local_files_only"] is True
    assert found.load_arguments["attn_implementation"] == "eager"


def test_shards_pass(tmp_path: Path) -> None:
    found = check_hf_directory(sharded(tmp_path / "m"))
    shards = ("model-1-of-2.safetensors", "model-2-of-2.safetensors")
    assert found.weights == ("model.safetensors.index.json", *shards)
    assert {name: entry.shape for name, entry in found.tensors.items()} == TENSORS


def test_links_inside_pass(tmp_path: Path) -> None:
    path = directory(tmp_path / "m")
    (path / "blobs").mkdir()
    (path / "model.safetensors").rename(path / "blobs" / "weights")
    (path / "model.safetensors").symlink_to("blobs/weights")
    assert check_hf_directory(path).weights == ("model.safetensors",)


# --- what a config may ask for ---------------------------------------------------------------------------------------

ASKS = {
    "a kernel": ({"attn_implementation": "evil/kernel"}, "attn_implementation asks for 'evil/kernel'"),
    "a kernel that wins over the argument": ({"_attn_implementation": "evil/kernel@v1:f"}, "_attn_implementation asks"),
    "a kernel behind a bar": ({"_attn_implementation": "paged|evil/kernel"}, "asks for 'paged|evil/kernel'"),
    "a kernel by another name": ({"_attn_implementation": "flash_attention_2"}, "asks for 'flash_attention_2'"),
    "a kernel of a part": ({"text_config": {"_attn_implementation": "e/k"}}, r"text_config\._attn_implementation asks"),
    "a kernel for a part": ({"attn_implementation": {"text_config": "e/k"}}, "attn_implementation asks for 'e/k'"),
    "a kernel that is a list": ({"attn_implementation": ["e/k"]}, "attn_implementation asks"),
    "experts": ({"_experts_implementation": "deepgemm"}, "_experts_implementation asks for 'deepgemm'"),
    "use_kernels": ({"use_kernels": True}, "use_kernels asks for kernels"),
    "kernel_config": ({"kernel_config": {"kernel_mapping": {"RMSNorm": "e/k:f"}}}, "kernel_config asks for kernels"),
    "quantisation": ({"quantization_config": {"quant_method": "quark"}}, "quantization_config: quantised weights"),
    "quantisation of a part": ({"vision_config": {"quantization_config": {}}}, r"vision_config\.quantization_config"),
    "another config": ({"configuration_files": ["config.4.0.0.json"]}, "configuration_files leads to another file"),
    "other weights": ({"transformers_weights": "pytorch_model.bin"}, "transformers_weights leads to another file"),
    "an audio tokenizer": ({"audio_tokenizer": {"audio_tokenizer_name_or_path": "/x"}}, "audio_tokenizer"),
}


@pytest.mark.parametrize(("keys", "message"), ASKS.values(), ids=ASKS.keys())
def test_what_leads_out_of_the_directory_is_refused(tmp_path: Path, keys: dict[str, object], message: str) -> None:
    path = directory(tmp_path / "m", **keys)
    assert str(path / "config.json") in refused(path, message)


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("tokenizer_config.json", {"fast_tokenizer_files": ["tokenizer.4.0.0.json"]}, "fast_tokenizer_files leads"),
        ("tokenizer_config.json", {"gguf_file": "x.gguf"}, "gguf_file leads to another file"),
        ("tokenizer_config.json", {"init_inputs": ["/etc/passwd"]}, "init_inputs leads to another file"),
        ("tokenizer_config.json", {"chat_template": "x" * 2_000_000}, "a template of 2,000,000 characters"),
        ("tokenizer_config.json", {"chat_template": [{"name": "a", "template": "x" * 2_000_000}]}, "a template of"),
        ("processor_config.json", {"audio_tokenizer": {"audio_tokenizer_class": "X"}}, "audio_tokenizer leads"),
        ("generation_config.json", {"_attn_implementation": "e/k"}, "_attn_implementation asks"),
        ("adapter_config.json", {"base_model_name_or_path": "someone/other"}, "base model would be fetched"),
    ],
)
def test_other_configs_are_read_as_well(tmp_path: Path, name: str, keys: dict[str, object], message: str) -> None:
    path = directory(tmp_path / "m")
    write_json(path / name, keys)
    assert str(path / name) in refused(path, message)


def test_harmless_values_of_the_same_keys_pass(tmp_path: Path) -> None:
    keys = {"attn_implementation": "sdpa", "_attn_implementation": None, "quantization_config": None, "auto_map": {}}
    path = directory(tmp_path / "m", use_kernels=False, experts_implementation="grouped_mm", **keys)
    write_json(path / "tokenizer_config.json", {"init_inputs": [], "chat_template": "{{ x }}"})
    assert check_hf_directory(path).trusted is None


# --- code ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model_type", ["bert", "never-heard-of"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_code_needs_the_digest_of_the_directory(tmp_path: Path, model_type: str, name: str) -> None:
    path = directory(tmp_path / "m", model_type=model_type)
    config = json.loads((path / name).read_text()) if (path / name).exists() else {}
    write_json(path / name, {**config, "auto_map": CODE})
    (path / "mine.py").write_text("raise SystemExit('ran')")
    text = refused(path, r"it brings code of its own \(mine\.Config, mine\.Model; auto_map\)")
    flag = text.rsplit("--trust sha256:", 1)[1]
    assert flag == sha256_tree(path)
    found = check_hf_directory(path, Trust(digests=frozenset({flag})))
    assert found.trusted is not None
    assert found.trusted.sha256 == flag
    assert found.load_arguments["trust_remote_code"] is True
    (path / "mine.py").write_text("raise SystemExit('ran something else')")
    refused(path, "it brings code", Trust(digests=frozenset({flag})))


@pytest.mark.parametrize(
    "reference", ["evil/repo--mine.Model", "other.Model", "../mine.Model", "Model", "os.system.x", "/tmp/x.Model"]
)
def test_code_from_elsewhere_can_not_be_trusted(tmp_path: Path, reference: str) -> None:
    path = directory(tmp_path / "m", auto_map={"AutoModel": reference})
    (path / "mine.py").write_text("")
    refused(path, "code that is not in this directory", Trust(digests=frozenset({sha256_tree(path)})))


def test_the_old_form_of_a_tokenizers_code_is_seen(tmp_path: Path) -> None:
    path = directory(tmp_path / "m")
    write_json(path / "tokenizer_config.json", {"auto_map": ["mine.Slow", None]})
    (path / "mine.py").write_text("")
    refused(path, r"mine\.Slow")


def test_pipelines_code_is_seen(tmp_path: Path) -> None:
    path = directory(tmp_path / "m", custom_pipelines={"t": {"impl": "mine.Pipe", "pt": ["AutoModel"]}})
    (path / "mine.py").write_text("")
    refused(path, "code")


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["../outside.safetensors", "{}/outside.safetensors", "sub/x.safetensors", ".."])
def test_an_index_that_leaves_the_directory_is_refused(tmp_path: Path, target: str) -> None:
    path = sharded(tmp_path / "m")
    (tmp_path / "outside.safetensors").write_bytes(safetensors_of({"b.weight": (4,)}))
    edit_index(path, b__weight=target.format(tmp_path))
    refused(path, "a shard named .*; only safetensors files of this directory")


INDEXES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a shard that is not there": (lambda p: edit_index(p, b__weight="model-3.safetensors"), "which is not there"),
    "a pickle as shard": (lambda p: edit_index(p, b__weight="pytorch_model.bin"), "a shard named 'pytorch_model.bin'"),
    "the wrong shard": (lambda p: edit_index(p, b__weight="model-1-of-2.safetensors"), "should hold 'b.weight'"),
    "exchanged": (
        lambda p: edit_index(p, b__weight="model-1-of-2.safetensors", a__bias="model-2-of-2.safetensors"),
        "it holds 'a.bias', but the index says model-2-of-2",
    ),
    "a tensor that is not there": (lambda p: edit_index(p, c="model-1-of-2.safetensors"), "should hold 'c'"),
    "no table": (lambda p: write_json(p / "model.safetensors.index.json", {"weight_map": []}), "no index"),
    "an empty table": (lambda p: write_json(p / "model.safetensors.index.json", {"weight_map": {}}), "weight_map"),
    "numbers": (lambda p: write_json(p / "model.safetensors.index.json", {"weight_map": {"a": 1}}), "weight_map"),
    "no JSON": (lambda p: (p / "model.safetensors.index.json").write_text("{"), "not valid JSON"),
    "an unknown tensor": (
        lambda p: (p / "model-2-of-2.safetensors").write_bytes(safetensors_of({"b.weight": (4,), "x": (1,)})),
        "it holds 'x', but the index doesn't know it",
    ),
    "a broken shard": (lambda p: (p / "model-2-of-2.safetensors").write_bytes(b"\0" * 9), "model-2-of-2"),
    "a distributed shard beside": (
        lambda p: (p / "shard-00001-model-00001-of-00001.safetensors").write_bytes(safetensors_of(TENSORS)),
        "a shard of a distributed checkpoint",
    ),
}


@pytest.mark.parametrize(("change", "message"), INDEXES.values(), ids=INDEXES.keys())
def test_a_forged_index_is_refused(tmp_path: Path, change: Callable[[Path], None], message: str) -> None:
    path = sharded(tmp_path / "m")
    change(path)
    refused(path, message)


@pytest.mark.parametrize(
    "name",
    ["pytorch_model.bin", "model.pt", "tf_model.h5", "flax_model.msgpack", "m.gguf", "pytorch_model.bin.index.json"],
)
def test_weights_that_are_no_safetensors_are_not_read(tmp_path: Path, name: str) -> None:
    path = directory(tmp_path / "m")
    (path / "model.safetensors").rename(path / name)
    assert "save_pretrained" in refused(path, f"no model.safetensors in it, and {name}")


def test_broken_weights_are_refused(tmp_path: Path) -> None:
    path = directory(tmp_path / "m")
    content = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(content + b"x")
    refused(path, "bytes that belong to no tensor")
    (path / "model.safetensors").write_bytes(content)
    (path / "extra.safetensors").write_bytes(content[:-1])
    refused(path, r"extra\.safetensors: truncated")
    (path / "extra.safetensors").unlink()
    (path / "model.safetensors").write_bytes(safetensors_of({}))
    refused(path, "hold no tensor")


# --- files -----------------------------------------------------------------------------------------------------------

FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link out": (lambda p: (p / "x").symlink_to("/etc/passwd"), "x: a link that leaves"),
    "weights behind a link out": (
        lambda p: [(p / "model.safetensors").rename(p.parent / "w"), (p / "model.safetensors").symlink_to("../w")],
        "model.safetensors: a link that leaves",
    ),
    "a directory behind a link out": (lambda p: (p / "sub").symlink_to("/etc"), "sub: a link that leaves"),
    "a loop": (lambda p: (p / "x").symlink_to("x"), "x: can't be followed"),
    "a link to nothing": (lambda p: (p / "x").symlink_to("y"), "x: no such file"),
    "a pipe": (lambda p: os.mkfifo(p / "vocab.json"), "vocab.json: not a regular file"),
    "a pipe below": (lambda p: [(p / "s").mkdir(), os.mkfifo(p / "s" / "x")], "not a regular file"),
    "no config": (lambda p: (p / "config.json").unlink(), "no config.json in it"),
    "no type": (lambda p: write_json(p / "config.json", {"architectures": ["X"]}), "no `model_type`"),
    "a list as config": (lambda p: write_json(p / "config.json", []), "a JSON list"),
    "a key twice": (lambda p: (p / "config.json").write_text('{"model_type": "a", "model_type": "b"}'), "twice"),
    "NaN": (lambda p: (p / "config.json").write_text('{"model_type": "a", "x": NaN}'), "NaN is not"),
    "deep": (lambda p: (p / "config.json").write_text('{"x": ' + "[" * 90_000), "nested too deeply"),
    "a large config": (lambda p: write_json(p / "config.json", {**CONFIG, "x": "y" * (5 << 20)}), "more than the"),
    "a large template": (lambda p: (p / "chat_template.jinja").write_bytes(b"x" * (2 << 20)), "chat_template.jinja"),
    "a large vocabulary": (lambda p: os.truncate(p / "vocab.txt", 1 << 30), "vocab.txt: 1,073,741,824 bytes"),
    "many files": (lambda p: [(p / f"{i}").touch() for i in range(10_001)], "more than 10,000 files"),
}


@pytest.mark.parametrize(("change", "message"), FILES.values(), ids=FILES.keys())
def test_files_that_are_none_of_a_model_are_refused(
    tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    path = directory(tmp_path / "m")
    change(path)
    refused(path, message)


def test_no_directory_at_all(tmp_path: Path) -> None:
    refused(tmp_path / "nothing", "no such directory")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "a file; a Hugging Face model is the directory")


# --- what loading says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"missing_keys": {"classifier.weight"}}, "m: its weights file lacks 1 tensor .* random numbers.*classifier"),
        ({"missing_keys": {"a", "b", "c", "d"}}, r"lacks 4 tensors .*: a, b, c, \.\.\."),
        ({"mismatched_keys": {("x", (2,), (3,))}}, "has 1 tensor of another shape than the model's: x"),
        ({"unexpected_keys": ["lm_head"]}, "has 1 tensor that the model does not use"),
        ({"error_msgs": ["size"]}, "could not be loaded"),
    ],
)
def test_weights_that_did_not_fit_are_refused(info: dict[str, set[object]], message: str) -> None:
    check_loading_info({"missing_keys": set(), "unexpected_keys": [], "mismatched_keys": (), "error_msgs": []}, "m")
    with pytest.raises(InputRefusedError, match=message) as caught:
        check_loading_info(info, "m")
    assert caught.value.exit_code == 4

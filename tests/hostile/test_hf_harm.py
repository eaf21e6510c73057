"""What transformers itself does with the directories that the pre-check refuses, so that nobody thinks it too strict.

One child process loads them all, with exactly the arguments that the pre-check advises; planted code leaves a line in a
marker file. A stand-in for the package `kernels` takes the place of the one that would fetch code from the hub.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.core.files import sha256_tree
from auditkit.models.prechecks.hf_directory import check_hf_directory, check_loading_info
from auditkit.models.trust import Trust
from tests.hostile.hf_files import safetensors_of, write_json

pytest.importorskip("transformers")
pytestmark = pytest.mark.slow

BUILD = """
import sys, torch
from transformers import BertConfig, BertForSequenceClassification, BertModel
torch.manual_seed(0)
sizes = dict(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
config = BertConfig(**sizes, max_position_embeddings=16)
whole = BertForSequenceClassification(config)
whole.save_pretrained(sys.argv[1] + "/good")
whole.save_pretrained(sys.argv[1] + "/shards", max_shard_size="2KB")
torch.nn.init.constant_(whole.classifier.bias, 7.0)
whole.save_pretrained(sys.argv[1] + "/other")
BertModel(config).save_pretrained(sys.argv[1] + "/headless")
"""

LOAD = """
import json, sys
import transformers
from transformers import AutoModelForSequenceClassification
answers = {}
for name, arguments in json.load(open(sys.argv[1])).items():
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(name, **arguments)
        head = getattr(model, "classifier", None)
        bias = None if head is None else head.bias.tolist()
        answers[name] = {"info": {k: sorted(map(str, v)) for k, v in info.items()}, "bias": bias}
    except BaseException as error:
        answers[name] = {"error": f"{type(error).__name__}: {error}"[:300]}
json.dump(answers, open(sys.argv[2], "w"))
"""

#: It stands for any name that is imported from it; `get_kernel` is what fetches code from the hub and imports it.
KERNELS = """
import os
def get_kernel(name, **more):
    with open(os.environ["MARKER"], "a") as stream:
        stream.write(f"kernel {name}\\n")
    raise RuntimeError("planted")
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {"__init__": lambda self, *a, **k: None, "__call__": lambda self, same: same})
"""

MODULE = """
import os
with open(os.environ["MARKER"], "a") as stream:
    stream.write(f"code {__name__.rsplit('.', 1)[-1]}\\n")
from transformers import BertConfig, BertForSequenceClassification
class Config(BertConfig):
    model_type = "never-heard-of"
class Model(BertForSequenceClassification):
    config_class = Config
"""
AUTO_MAP = {"AutoConfig": "mine.Config", "AutoModelForSequenceClassification": "mine.Model"}
PLAIN = {"local_files_only": True, "output_loading_info": True}


class World:
    """Directories, what the child answered for each, and the marker's lines."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.marker = root / "marker"
        self.answers: dict[str, Any] = {}

    def answer(self, name: str) -> Any:
        return self.answers[str(self.root / name)]

    def marks(self) -> list[str]:
        return self.marker.read_text().splitlines() if self.marker.exists() else []

    def copy(self, source: str, name: str, **config: Any) -> Path:
        path = shutil.copytree(self.root / source, self.root / name)
        write_json(path / "config.json", {**json.loads((path / "config.json").read_text()), **config})
        return path


def child(script: str, root: Path, *arguments: str) -> None:
    environment = {
        **os.environ,
        "MARKER": str(root / "marker"),
        "HF_HOME": str(root / "home"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(root / "fake"),
    }
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        input="y\n" * 9,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def plant(world: World) -> dict[str, dict[str, Any]]:
    """The directories beside the built ones, and the arguments that each is loaded with."""
    safe = check_hf_directory(world.root / "good").load_arguments
    asked: dict[str, dict[str, Any]] = {"good": safe, "shards": safe, "headless": safe}
    for name, keys in {
        "kernel": {"_attn_implementation": "planted/kernel"},
        "flash": {"_attn_implementation": "flash_attention_2"},
        "hidden": {"configuration_files": ["config.4.0.0.json"]},
    }.items():
        path = world.copy("good", name, **keys)
        asked[name] = safe
        if name == "hidden":
            config = json.loads((path / "config.json").read_text())
            write_json(path / "config.4.0.0.json", {**config, "_attn_implementation": "hidden/kernel"})
    for name in ("unknown", "unknown-asked", "unknown-trusted"):
        path = world.copy("good", name, model_type="never-heard-of", auto_map=AUTO_MAP)
        (path / "mine.py").write_text(MODULE.replace("code {", f"code {name} {{"))
        asked[name] = PLAIN if name == "unknown-asked" else safe
    trusted = check_hf_directory(path, Trust(digests=frozenset({sha256_tree(path)})))
    asked["unknown-trusted"] = trusted.load_arguments
    escaped = world.copy("shards", "escaped")
    index = json.loads((escaped / "model.safetensors.index.json").read_text())
    index["weight_map"] = dict.fromkeys(index["weight_map"], "../other/model.safetensors")
    write_json(escaped / "model.safetensors.index.json", index)
    shadowed = world.copy("good", "shadowed")
    shutil.copy(world.root / "other" / "model.safetensors", shadowed / "shard-00000-model-00001-of-00001.safetensors")
    (shadowed / "model.safetensors").write_bytes(safetensors_of({"x": (1,)}))
    return {**asked, "escaped": safe, "shadowed": safe}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    from transformers.utils import import_utils

    found = World(tmp_path_factory.mktemp("hf"))
    child(BUILD, found.root, str(found.root))
    fake = found.root / "fake"
    (fake / "kernels" / "layer").mkdir(parents=True)
    for part in (fake / "kernels" / "__init__.py", fake / "kernels" / "layer" / "__init__.py"):
        part.write_text(KERNELS)
    (fake / "kernels" / "layer" / "mode.py").write_text(KERNELS)
    version = import_utils.KERNELS_MIN_VERSION
    (fake / f"kernels-{version}.dist-info").mkdir()
    (fake / f"kernels-{version}.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: kernels\nVersion: {version}\n"
    )
    asked = {str(found.root / name): arguments for name, arguments in plant(found).items()}
    write_json(found.root / "asked.json", asked)
    child(LOAD, found.root, str(found.root / "asked.json"), str(found.root / "answers.json"))
    found.answers = json.loads((found.root / "answers.json").read_text())
    return found


@pytest.mark.parametrize("name", ["good", "shards"])
def test_what_passes_loads_whole(world: World, name: str) -> None:
    assert len(check_hf_directory(world.root / name).tensors) > 20
    answer = world.answer(name)
    check_loading_info(answer["info"], name)
    assert answer["bias"] is not None


def test_a_missing_head_is_made_up_and_called_a_success(world: World) -> None:
    check_hf_directory(world.root / "headless")
    answer = world.answer("headless")
    assert "error" not in answer
    with pytest.raises(InputRefusedError, match=r"lacks 2 tensors .* classifier\.bias, classifier\.weight"):
        check_loading_info(answer["info"], "headless")


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("kernel", "kernel planted/kernel"),
        ("flash", "kernel kernels-community/flash-attn2"),
        ("hidden", "kernel hidden/kernel"),
    ],
)
def test_a_config_fetches_a_kernel_whatever_the_arguments_say(world: World, name: str, mark: str) -> None:
    assert mark in world.marks()
    with pytest.raises(InputRefusedError):
        check_hf_directory(world.root / name)


def test_code_of_an_unknown_type_runs_on_a_y_unless_forbidden(world: World) -> None:
    assert any("unknown-asked" in mark for mark in world.marks())
    assert not any(mark.startswith("code unknown ") for mark in world.marks())
    assert "contains custom code" in world.answer("unknown")["error"]
    with pytest.raises(InputRefusedError, match="it brings code"):
        check_hf_directory(world.root / "unknown")


def test_trusted_code_runs_and_loads(world: World) -> None:
    assert any("unknown-trusted" in mark for mark in world.marks())
    check_loading_info(world.answer("unknown-trusted")["info"], "unknown-trusted")


def test_an_index_reads_outside_of_the_directory(world: World) -> None:
    assert world.answer("escaped")["bias"] == [7.0, 7.0]
    with pytest.raises(InputRefusedError, match=r"a shard named '\.\./other"):
        check_hf_directory(world.root / "escaped")


def test_a_distributed_shard_takes_the_place_of_the_weights(world: World) -> None:
    assert world.answer("shadowed").get("bias") == [7.0, 7.0]
    with pytest.raises(InputRefusedError, match="distributed checkpoint"):
        check_hf_directory(world.root / "shadowed")

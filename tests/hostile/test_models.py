"""Model files that are hostile or broken: one clear line that names the file, exit code 4, nothing executed."""

import gzip
import io
import os
import pickle
import tarfile
import zlib
from pathlib import Path

import joblib
import pytest
import skops.io
import torch
from sklearn.linear_model import LogisticRegression

from auditkit.models.refuse import identify_code, is_pickle
from tests.models.hostile_files import refused, zip_of


class Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


# --- files that can run code -----------------------------------------------------------------------------------------


def tar_of(name: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return stream.getvalue()


def torch_saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def joblib_saved(value: object, compress: object) -> bytes:
    stream = io.BytesIO()
    joblib.dump(value, stream, compress=compress)
    return stream.getvalue()


STATE = {"weight": torch.zeros(2)}
CODE = [
    *((f"protocol-{p}", lambda bomb, p=p: pickle.dumps(bomb, protocol=p), "a Python pickle") for p in range(6)),
    ("dict-0", lambda bomb: pickle.dumps({"a": [1, 2, 3]}, protocol=0), "a Python pickle"),
    ("torch-zip", lambda bomb: torch_saved({**STATE, "bomb": bomb}), "a torch.save file"),
    ("torch-bomb", lambda bomb: torch_saved(bomb), "a torch.save file"),
    ("torchscript", lambda bomb: zip_of({"m/code/__torch__.py": b"", "m/data.pkl": b""}), "a TorchScript archive"),
    ("pt2", lambda bomb: zip_of({"m/archive_format": b"pt2", "m/models/model.json": b"{}"}), "a torch.export archive"),
    ("zip-pkl", lambda bomb: zip_of({"a/b.PKL": b""}), "a zip archive with a pickle inside"),
    ("keras", lambda bomb: zip_of({"config.json": b"", "metadata.json": b""}), "a Keras archive"),
    ("tar", lambda bomb: tar_of("pickle"), "a tar archive"),
    ("hdf5", lambda bomb: b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file"),
    ("joblib", lambda bomb: joblib_saved(bomb, 0), "a Python pickle"),
    ("joblib-zlib", lambda bomb: joblib_saved(bomb, ("zlib", 3)), "a compressed joblib pickle"),
    ("joblib-gzip", lambda bomb: gzip.compress(pickle.dumps(bomb)), "a compressed joblib pickle"),
    ("joblib-bz2", lambda bomb: joblib_saved(bomb, ("bz2", 3)), "a compressed joblib pickle"),
    ("joblib-xz", lambda bomb: joblib_saved(bomb, ("xz", 3)), "a compressed joblib pickle"),
    ("joblib-lzma", lambda bomb: joblib_saved(bomb, ("lzma", 3)), "a compressed joblib pickle"),
]


@pytest.mark.parametrize(("make", "message"), [c[1:] for c in CODE], ids=[c[0] for c in CODE])
@pytest.mark.parametrize("kind", ["torch", "sklearn"])
@pytest.mark.parametrize("name", ["model.safetensors", "model.skops", "model"])
def test_code_is_refused_by_content_whatever_its_name(tmp_path, make, message, kind, name):
    path = tmp_path / name
    path.write_bytes(make(Bomb(tmp_path / "ran")))
    text = refused(path, message, kind)
    assert text.startswith(str(path))
    assert "can run code" in text
    assert "skops.io.dump" in text if kind == "sklearn" else "auditkit train" in text or "model.builder" in text
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pkl", ".pt", ".pth", ".pt2", ".bin", ".ckpt", ".joblib", ".PKL", ".h5", ".py"])
@pytest.mark.parametrize("kind", ["torch", "sklearn"])
def test_code_is_refused_by_name_whatever_its_content(tmp_path, suffix, kind):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"harmless")
    refused(path, "can run code", kind)


def test_code_inside_the_directory_is_refused(bundle, tmp_path):
    bomb = pickle.dumps(Bomb(tmp_path / "ran"))
    (bundle / "model.safetensors").write_bytes(bomb)
    refused(bundle, r"model\.safetensors: a Python pickle")
    other = tmp_path / "hub"
    other.mkdir()
    (other / "pytorch_model.bin").write_bytes(bomb)
    refused(other, r"pytorch_model\.bin: a Python pickle")
    assert not (tmp_path / "ran").exists()


def test_what_is_no_code_is_not_called_so(original, tmp_path):
    skops.io.dump(LogisticRegression(), tmp_path / "model.skops")
    compressed = tmp_path / "rows.gz"
    compressed.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    text = tmp_path / "text"
    text.write_bytes(b"cat dog\n" * 50)
    for path in (tmp_path / "model.skops", original / "model.safetensors", original / "model.json", compressed, text):
        assert identify_code(path) is None, path


# --- files that are no model -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["torch", "sklearn"])
def test_what_is_no_model_says_what_it_is(tmp_path, kind):
    def file(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    refused(tmp_path / "absent", "no such", kind)
    refused(file("empty", b""), "an empty file", kind)
    refused(file("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull", kind)
    refused(file("page", b"\n<!DOCTYPE html><html>"), "an HTML page", kind)
    refused(file("text", b"hello"), "auditkit train|not a skops file", kind)
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "a pipe or a device", kind)
    refused(Path("/dev/zero"), "a pipe or a device", kind)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "loop|no such", kind)


def test_directories_without_a_model(tmp_path):
    (tmp_path / "d").mkdir()
    refused(tmp_path / "d", r"no model\.json in it")
    refused(tmp_path / "d", "a directory", "sklearn")
    (tmp_path / "d" / ".checkpoint").mkdir()
    refused(tmp_path / "d", "not finished.*--resume")


def test_deflated_pickle_is_told_from_deflated_text():
    assert is_pickle(pickle.dumps([1]))
    assert is_pickle(pickle.dumps(LogisticRegression(), protocol=0))
    assert not is_pickle(zlib.compress(b"text"))
    assert not is_pickle(b"(this is a sentence in brackets) and more")
    assert not is_pickle(b"")

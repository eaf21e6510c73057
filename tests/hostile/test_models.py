"""Model files that are hostile or broken: one clear line that names the file, exit code 4, nothing executed."""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
import safetensors.torch
import skops.io
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from auditkit.core.errors import AuditkitError, InputRefusedError
from auditkit.models.open import open_model
from auditkit.models.refuse import identify_code, is_pickle
from auditkit.models.safetensors_check import read_header
from auditkit.models.skops_file import load_skops
from auditkit.models.spec import ModelSpec
from auditkit.models.trained import load_trained
from tests.models.tables import as_dataset, mixed_table, train


class Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("hostile") / "out"
    train(as_dataset(mixed_table()), out)
    return out


@pytest.fixture
def bundle(original, tmp_path) -> Path:
    copy = tmp_path / "model"
    copy.mkdir()
    for entry in original.iterdir():
        (copy / entry.name).write_bytes(entry.read_bytes())
    return copy


def open_model_at(path: Path, kind: str) -> None:
    open_model(ModelSpec(kind=kind, path=path), device="cpu").close()


def load_here(path: Path, kind: str) -> None:
    load_skops(path) if kind == "sklearn" else load_trained(path, "cpu")


def refused(path: Path, message: str, kind: str = "torch", *, worker: bool = True) -> str:
    """It is refused with one line that names the file; without `worker`, by what the worker calls (faster)."""
    load = open_model_at if worker else load_here
    with pytest.raises(InputRefusedError, match=message) as caught:
        load(path, kind)
    assert caught.value.exit_code == 4
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


# --- files that can run code -----------------------------------------------------------------------------------------


def zip_of(names: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return stream.getvalue()


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
    ("torch-zip", lambda bomb: torch_saved(STATE), "a torch.save file"),
    ("torch-bomb", lambda bomb: torch_saved(bomb), "a torch.save file"),
    ("torchscript", lambda bomb: zip_of({"m/code/__torch__.py": b"", "m/data.pkl": b""}), "a TorchScript archive"),
    ("pt2", lambda bomb: zip_of({"m/archive_format": b"pt2", "m/byteorder": b""}), "a torch.export archive"),
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
    assert ("skops.io.dump" if kind == "sklearn" else "auditkit train") in text
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


# --- safetensors -----------------------------------------------------------------------------------------------------


def pack(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype="F32", shape=(1,), offsets=(0, 4), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


MALFORMED = {
    "seven bytes": (b"1234567", "too few"),
    "header beyond the file": (pack({}, length=10**6), "its header would be 1,000,000 bytes"),
    "header of 2^63": (pack({}, length=1 << 63), "not a safetensors file"),
    "no JSON": (pack(b"{nope"), "not valid JSON"),
    "no UTF-8": (pack(b'{"\xff": 1}'), "not valid JSON"),
    "NaN": (pack(b'{"a": NaN}'), "NaN is not a JSON number"),
    "deep": (pack(b"[" * 200_000), "nested too deeply"),
    "a list": (pack([]), "not an object"),
    "twice": (pack(b'{"a": 1, "a": 2}'), "'a' stands there twice"),
    "metadata": (pack({"__metadata__": {"a": 1}}), "no table of strings"),
    "no table": (pack({"a": 3}), "tensor 'a': expected exactly"),
    "a field more": (pack({"a": tensor(code="x")}, bytes(4)), "expected exactly"),
    "unknown type": (pack({"a": tensor("C64")}, bytes(4)), "unknown type 'C64'"),
    "type no text": (pack({"a": tensor(["F32"])}, bytes(4)), "unknown type"),
    "negative shape": (pack({"a": tensor(shape=(-1,))}, bytes(4)), "bad shape"),
    "float shape": (pack({"a": tensor(shape=(1.0,))}, bytes(4)), "bad shape"),
    "true shape": (pack({"a": tensor(shape=(True,))}, bytes(4)), "bad shape"),
    "huge shape": (pack({"a": tensor(shape=(2**70,))}, bytes(4)), "bad shape"),
    "nine axes": (pack({"a": tensor(shape=(1,) * 9)}, bytes(4)), "bad shape"),
    "one offset": (pack({"a": tensor(offsets=(0,))}, bytes(4)), "bad data_offsets"),
    "negative offset": (pack({"a": tensor(offsets=(-4, 0))}, bytes(4)), "bad data_offsets"),
    "too small": (pack({"a": tensor(shape=(2,))}, bytes(4)), "takes 8 bytes, the offsets give 4"),
    "product overflows": (pack({"a": tensor(shape=(2**31, 2**31, 4))}, bytes(4)), "takes .* the offsets give 4"),
    "reversed": (pack({"a": tensor(offsets=(4, 0))}, bytes(4)), "the offsets give -4"),
    "beyond the end": (pack({"a": tensor()}, bytes(3)), "truncated"),
    "trailing bytes": (pack({"a": tensor()}, bytes(5)), "bytes that belong to no tensor"),
    "gap": (pack({"a": tensor(offsets=(4, 8))}, bytes(8)), "leaves a gap"),
    "overlap": (pack({"a": tensor(), "b": tensor(offsets=(0, 4))}, bytes(4)), "overlaps"),
    "a million empty": (
        pack({f"t{i}": tensor(shape=(0,), offsets=(0, 0)) for i in range(100_001)}),
        "100,001 tensors, more than",
    ),
}


@pytest.mark.parametrize(("content", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_safetensors_are_refused(bundle, content, message):
    (bundle / "model.safetensors").write_bytes(content)
    text = refused(bundle, message)
    assert text.startswith(str(bundle / "model.safetensors"))
    assert len(text) < 1_000


def test_the_check_reads_what_the_library_writes():
    tensors = {"a": torch.zeros(2, 3), "b": torch.zeros(0), "c": torch.ones(4, dtype=torch.bfloat16)}
    content = safetensors.torch.save(tensors, metadata={"k": "v"})
    header = read_header(io.BytesIO(content), len(content), "x")
    assert {name: entry.shape for name, entry in header.tensors.items()} == {"a": (2, 3), "b": (0,), "c": (4,)}
    assert header.tensors["c"].dtype == "BF16"
    assert header.metadata == {"k": "v"}
    assert header.elements == 10


def weights_of(bundle: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(bundle / "model.safetensors")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(bundle, number):
    weights = weights_of(bundle)
    weights["head.bias"][0] = number
    safetensors.torch.save_file(weights, bundle / "model.safetensors")
    refused(bundle, r"model\.safetensors: tensor 'head\.bias' holds NaN or infinite", worker=np.isnan(number))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("head.weight"), r"lacks 'head\.weight'"),
        (lambda w: w.update({"extra.weight": torch.zeros(1)}), r"unexpectedly has 'extra\.weight'"),
        (lambda w: w.update({"head.bias": torch.zeros(3)}), r"'head\.bias' is F32 \[3\].* needs F32 \[2\]"),
        (lambda w: w.update({"head.bias": torch.zeros(2).double()}), r"'head\.bias' is F64"),
        (lambda w: w.clear(), r"lacks .* and \d+ more"),
    ],
)
def test_weights_that_do_not_fit_are_refused(bundle, change, message):
    weights = weights_of(bundle)
    change(weights)
    safetensors.torch.save_file(weights, bundle / "model.safetensors")
    refused(bundle, message, worker=False)


# --- model.json ------------------------------------------------------------------------------------------------------


def edited(path: tuple[object, ...], value: object):
    def edit(description):
        place = description
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edited(("schema",), "auditkit.model/2"), "schema"),
        (edited(("surprise",), 1), "surprise: Extra inputs"),
        (edited(("classes",), ["no"]), "at least two classes"),
        (edited(("classes",), ["no", "no"]), "different classes"),
        (edited(("positive",), "maybe"), "positive must be one"),
        (edited(("outputs",), "values"), "belong to regression"),
        (edited(("architecture", "name"), "os.system"), "no architecture 'os.system'"),
        (edited(("architecture", "parameters", "width"), 2**40), r"architecture\.parameters\.width"),
        (edited(("architecture", "parameters", "width"), "16"), r"architecture\.parameters\.width"),
        (edited(("architecture", "parameters", "hook"), "x"), r"architecture\.parameters\.hook"),
        (edited(("architecture", "parameters", "width"), 65_536), "needs F32"),
        (edited(("preprocessing", "numeric", 0, "scale"), 0), "scale"),
        (edited(("preprocessing", "numeric", 0, "mean"), "1e999"), "mean"),
        (edited(("preprocessing", "order"), ["age"]), "order must list"),
        (edited(("preprocessing", "categorical", 0, "counts"), [1]), "two entries more"),
        (edited(("preprocessing", "categorical", 0, "vocabulary"), ["a"] * 4), "stands in the vocabulary twice"),
        (edited(("training", "data_sha256"), "../../x"), "data_sha256"),
    ],
)
def test_a_forged_description_is_refused(bundle, change, message):
    description = json.loads((bundle / "model.json").read_text())
    change(description)
    (bundle / "model.json").write_text(json.dumps(description))
    refused(bundle, message, worker=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"{", "not valid JSON"),
        (b'{"a":1,"a":2}', "twice"),
        (b"[]", "model"),
        (b"\x00", "JSON"),
    ],
)
def test_a_broken_description_is_refused(bundle, content, message):
    (bundle / "model.json").write_bytes(content)
    refused(bundle, message)


def test_links_that_leave_the_directory_are_refused(bundle, tmp_path):
    outside = tmp_path / "outside"
    (bundle / "model.safetensors").rename(outside)
    (bundle / "model.safetensors").symlink_to(outside)
    refused(bundle, "a link that leaves")


def test_links_inside_the_directory_are_followed(bundle):
    (bundle / "model.safetensors").rename(bundle / "weights")
    (bundle / "model.safetensors").symlink_to("weights")
    load_trained(bundle, "cpu")


def test_absent_parts_are_named(bundle):
    (bundle / "model.safetensors").unlink()
    refused(bundle, r"model\.safetensors: .*No such file")


# --- skops -----------------------------------------------------------------------------------------------------------


def shout(x):
    return x


def test_types_that_skops_does_not_know_are_named(tmp_path):
    skops.io.dump(make_pipeline(FunctionTransformer(shout), LogisticRegression()), tmp_path / "m.skops")
    text = refused(tmp_path / "m.skops", r"not known to be safe to load: .*test_models\.shout", "sklearn")
    assert "auditkit.audit(estimator" in text


def rewritten(source: Path, edit) -> None:
    """The same skops file with its schema edited."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    edit(schema)
    members["schema.json"] = json.dumps(schema).encode()
    source.write_bytes(zip_of(members))


@pytest.fixture
def logistic(tmp_path) -> Path:
    x = np.arange(20.0).reshape(10, 2)
    skops.io.dump(LogisticRegression().fit(x, np.arange(10) % 2), tmp_path / "m.skops")
    return tmp_path / "m.skops"


def test_a_forged_class_in_the_schema_is_refused(logistic):
    def edit(schema):
        schema["__module__"], schema["__class__"] = "subprocess", "Popen"

    rewritten(logistic, edit)
    refused(logistic, r"subprocess\.Popen", "sklearn")


def test_a_reviewed_type_by_another_loader_is_refused(logistic):
    def edit(schema):
        schema["__module__"], schema["__class__"] = "numpy", "dtype"

    rewritten(logistic, edit)
    refused(logistic, "numpy.dtype is built by 'ObjectNode'", "sklearn")


def test_a_broken_schema_is_refused(logistic):
    rewritten(logistic, lambda schema: schema.pop("content"))
    refused(logistic, "malformed skops file|can't be loaded", "sklearn", worker=False)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"a.npy": b""}, r"no schema\.json"),
        ({"schema.json": b"{}", "../evil.npy": b""}, r"'\.\./evil\.npy', which skops never writes"),
        ({"schema.json": b"{}", "/etc/passwd": b""}, "never writes"),
        ({"schema.json": b"{"}, "not valid JSON"),
    ],
)
def test_zips_that_are_no_skops_files(tmp_path, names, message):
    (tmp_path / "m.skops").write_bytes(zip_of(names))
    refused(tmp_path / "m.skops", message, "sklearn")


def test_a_zip_bomb_is_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("zeros.npy", bytes(20 << 20))
    refused(tmp_path / "m.skops", "a zip bomb", "sklearn")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("schema.json", "{}")
    refused(tmp_path / "m.skops", "two members of one name", "sklearn")


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 0), ("right_child", 10**6), ("feature", 99), ("feature", -3)]
)
def test_a_tree_that_leads_out_of_its_table_is_refused(tmp_path, field, value):
    """scikit-learn itself would read outside of its arrays, or walk in circles."""
    x = np.random.default_rng(0).normal(size=(60, 2))
    skops.io.dump(DecisionTreeClassifier(max_depth=3).fit(x, np.arange(60) % 2), tmp_path / "m.skops")
    load_skops(tmp_path / "m.skops")
    with zipfile.ZipFile(tmp_path / "m.skops") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, content in members.items():
        if name.endswith(".npy"):
            array = np.load(io.BytesIO(content))
            if array.dtype.names and "left_child" in array.dtype.names:
                array[field][0] = value
                stream = io.BytesIO()
                np.save(stream, array)
                members[name] = stream.getvalue()
    (tmp_path / "m.skops").write_bytes(zip_of(members))
    refused(tmp_path / "m.skops", "nodes that lead nowhere", "sklearn", worker=value == 99)


def test_bytes_flipped_at_random_never_end_in_a_traceback(bundle, logistic):
    """Every outcome is a model that answers, or one of our own errors."""
    rng = np.random.default_rng(0)
    for path, load in (
        (bundle / "model.safetensors", lambda: load_trained(bundle, "cpu")),
        (logistic, lambda: load_skops(logistic)),
    ):
        good = path.read_bytes()
        for _ in range(150):
            bad = bytearray(good)
            for position in rng.integers(0, len(bad), rng.integers(1, 6)):
                bad[position] = rng.integers(0, 256)
            cut = len(bad) if rng.random() < 0.7 else int(rng.integers(0, len(bad)))
            path.write_bytes(bytes(bad[:cut]))
            try:
                load()
            except AuditkitError as error:
                assert len(str(error).splitlines()) == 1  # noqa: PT017
        path.write_bytes(good)


def test_deflated_pickle_is_told_from_deflated_text():
    assert is_pickle(pickle.dumps([1]))
    assert is_pickle(pickle.dumps(LogisticRegression(), protocol=0))
    assert not is_pickle(zlib.compress(b"text"))
    assert not is_pickle(b"(this is a sentence in brackets) and more")
    assert not is_pickle(b"")

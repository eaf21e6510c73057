"""skops files with forged types, tables and trees: refused, exit code 4."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from auditkit.core.errors import AuditkitError
from auditkit.models.skops_file import load_skops
from auditkit.models.trained import load_trained
from tests.models.hostile_files import refused, zip_of

# --- skops -----------------------------------------------------------------------------------------------------------


def shout(x):
    return x


def test_types_that_skops_does_not_know_are_named(tmp_path):
    skops.io.dump(make_pipeline(FunctionTransformer(shout), LogisticRegression()), tmp_path / "m.skops")
    text = refused(tmp_path / "m.skops", r"not known to be safe to load: .*test_skops_files\.shout", "sklearn")
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
    refused(logistic, "malformed skops file|can't be loaded|not fitted", "sklearn", worker=False)


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

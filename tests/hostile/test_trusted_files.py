"""Pickles in every disguise: refused unless their digest is named, contained by the sandbox where it is."""

import errno
import hashlib
import os
import pickle
import re
import socket
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LinearRegression, LogisticRegression

from auditkit.core.errors import InputRefusedError
from auditkit.models.open import open_model
from auditkit.models.pickle_file import open_pickle
from auditkit.models.spec import ModelSpec
from auditkit.models.trust import NOBODY, Trust
from auditkit.models.trust_file import parse_digest
from auditkit.models.worker.probe import isolation_here
from tests.hostile.pickles import Code, before_a_zip, disguises, harmful_later, touching

NAMES = list(disguises(None))
contained = pytest.mark.usefixtures("containment")


def opened(path: Path, trust: Trust = NOBODY):
    return open_model(ModelSpec(kind="sklearn", path=path), device="cpu", trust=trust)


def refusal(path: Path, trust: Trust = NOBODY) -> str:
    with pytest.raises(InputRefusedError) as caught:
        opened(path, trust).close()
    assert caught.value.exit_code == 4
    text = str(caught.value)
    assert text.startswith(str(path))
    assert len(text.splitlines()) == 1
    return text


def flag_in(text: str) -> Trust:
    """What is granted by the flag with which the message ends, copied as it stands."""
    match = re.search(r"--trust (sha256:[0-9a-f]{64})$", text)
    assert match is not None, text
    return Trust(frozenset({parse_digest(match[1])}))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".pkl", ".skops", ".safetensors", ""])
def test_untrusted_it_is_refused_with_its_flag_and_nothing_runs(tmp_path, name, suffix):
    marker = tmp_path / "ran"
    path = tmp_path / f"model{suffix}"
    path.write_bytes(disguises(touching(marker))[name])
    text = refusal(path)
    assert text.endswith(f"--trust sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")
    assert "can run code" in text
    assert not marker.exists()
    joblib.load(path)
    assert marker.exists(), "the file would have done no harm: the test shows nothing"


@pytest.mark.parametrize("name", ["protocol-0", "joblib-xz", "in-bytes", "before-a-zip"])
@pytest.mark.slow
@contained
def test_trusted_it_is_contained(tmp_path, name):
    marker = tmp_path / "ran"
    path = tmp_path / "model.pkl"
    path.write_bytes(disguises(touching(marker))[name])
    text = refusal(path, flag_in(refusal(path)))
    assert re.search("PermissionError|can't be loaded", text), text
    assert not marker.exists()


@contained
def test_trusted_it_does_no_harm_when_it_predicts(tmp_path):
    """Everything that it tries fails with an ordinary error, and it answers what a planted estimator answers."""
    secret = tmp_path / "secret"
    secret.write_text("the data")
    server = socket.create_server(("127.0.0.1", 0))
    attempts = {
        f"open({str(tmp_path / 'ran')!r}, 'w')": {errno.EACCES, errno.EPERM},
        f"open({str(secret)!r})": {errno.EACCES},
        f"open({str(tmp_path / 'model.pkl')!r}, 'ab')": {errno.EACCES, errno.EPERM},
        f"import socket; socket.create_connection({server.getsockname()!r}, 1)": {errno.EPERM},
        "import os; os.fork()": {errno.EPERM},
        "import os; os.execv('/bin/true', ['true'])": {errno.EPERM, errno.EACCES},
        f"import os; os.kill({os.getpid()}, 9)": {errno.EPERM},
        "open('own', 'w').write('x')": {0},
    }
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(harmful_later(list(attempts))))
    before = path.read_bytes()
    with server, opened(path, flag_in(refusal(path))) as model:
        answers = model.predict({"x": np.arange(len(attempts), dtype=float)}).values[:, 0]
    wrong = {a: int(n) for (a, allowed), n in zip(attempts.items(), answers, strict=True) if int(n) not in allowed}
    assert not wrong
    assert not (tmp_path / "ran").exists()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "dump"),
    [
        ("model.pkl", lambda model: pickle.dumps(model, protocol=2)),
        ("model", lambda model: disguises(model)["joblib-xz"]),
    ],
)
def test_a_trusted_estimator_predicts_as_it_does_here(tmp_path, name, dump):
    rng = np.random.default_rng(0)
    rows = {"b": rng.normal(size=50), "a": rng.normal(size=50)}
    frame = pd.DataFrame(rows)
    model = LogisticRegression().fit(frame[["a", "b"]], np.where(frame["a"] > 0, "yes", "no"))
    path = tmp_path / name
    path.write_bytes(dump(model))
    trust = flag_in(refusal(path))
    with opened(path, Trust(trust.digests, sandbox=isolation_here().complete)) as found:
        assert np.array_equal(found.predict(rows).values, model.predict_proba(frame[["a", "b"]]))
        assert [(t.path, t.sha256, t.by) for t in found.info.trusted] == [
            (str(path), hashlib.sha256(path.read_bytes()).hexdigest(), "digest")
        ]
        assert found.info.sha256 == found.info.trusted[0].sha256
        assert found.info.classes == ("no", "yes")


def test_the_digest_of_another_file_does_not_help(tmp_path):
    path, other = tmp_path / "model.pkl", tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps(touching(tmp_path / "ran")))
    other.write_bytes(pickle.dumps(LinearRegression()))
    text = refusal(path, flag_in(refusal(other)))
    assert "No digest that --trust or --trust-file named is its own" in text
    assert not (tmp_path / "ran").exists()


def test_own_code_is_no_word_for_a_pickle(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(touching(tmp_path / "ran")))
    assert "--trust-code" not in refusal(path, Trust(code=True))
    assert not (tmp_path / "ran").exists()


def polyglots(marker: Path) -> dict[str, bytes]:
    """Files that are no pickle from their first byte on."""
    bomb = pickle.dumps(touching(marker))
    return {
        "png": b"\x89PNG\r\n\x1a\n" + bomb,
        "pdf": b"%PDF-1.7\n" + bomb,
        "text": b"\n\n" + bomb,
        "zip-then-pickle": before_a_zip(b"") + bomb,
    }


@pytest.mark.parametrize("name", ["png", "pdf", "text", "zip-then-pickle"])
def test_a_pickle_behind_something_else_is_no_model(tmp_path, name):
    path = tmp_path / "model.skops"
    path.write_bytes(polyglots(tmp_path / "ran")[name])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert "--trust" not in refusal(path, Trust(frozenset({digest}), code=True))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("member", "message"),
    [("model.pkl", "a zip archive with a pickle inside"), ("m/data.pkl", "a torch.save file.*`kind: torch` audits it")],
)
def test_a_pickle_inside_of_a_zip_stays_refused(tmp_path, member, message):
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr(member, pickle.dumps(touching(tmp_path / "ran")))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = refusal(path, Trust(frozenset({digest}), code=True))
    assert re.search(message, text)
    assert "skops.io.dump" in text
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Code("__import__('no_such_module_here')"), "needs the module 'no_such_module_here', which is not installed"),
        (Code("getattr(__import__('__main__'), 'Mine')"), "needs what the script that saved it defined.*cloudpickle"),
        ({"not": "a model"}, "neither a classifier nor a regressor"),
        (LogisticRegression(), "not fitted"),
        (Code("exec('raise ValueError(1)')"), "can't be loaded \\(ValueError: 1"),
    ],
    ids=["module", "main", "dict", "unfitted", "raises"],
)
def test_what_can_not_be_loaded_says_why(tmp_path, value, message):
    path = tmp_path / "copy"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(InputRefusedError, match=message) as caught:
        open_pickle(path, "cpu", {"name": "/the/original"})
    assert str(caught.value).startswith("/the/original: ")


@pytest.mark.parametrize("content", [pickle.dumps(LinearRegression())[:-20], b"", b"text", b"\x80\x05"])
def test_what_is_no_whole_pickle_says_so(tmp_path, content):
    (tmp_path / "copy").write_bytes(content)
    with pytest.raises(InputRefusedError, match=r"no pickle, or a damaged one|can't be loaded"):
        open_pickle(tmp_path / "copy", "cpu", {"name": "model.pkl"})


@pytest.mark.slow
@contained
def test_a_message_of_the_file_can_not_command_the_terminal(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Code("exec('raise ValueError(chr(27) + chr(10) + str(1))')")))
    text = refusal(path, flag_in(refusal(path)))
    assert "can't be loaded (ValueError" in text
    assert text.isprintable()


@contained
def test_versions_that_differ_are_noted(tmp_path):
    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    path = tmp_path / "model.pkl"
    assert len(sklearn.__version__) == 5
    path.write_bytes(pickle.dumps(model).replace(sklearn.__version__.encode(), b"0.0.1"))
    with opened(path, flag_in(refusal(path))) as found:
        found.predict({"x": np.ones(2)})
        assert any("pickled by scikit-learn 0.0.1" in note for note in found.notes)

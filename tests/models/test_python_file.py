"""`kind: python`: a function of a frame in a file of one's own, trusted, and alone with what the plan names."""

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from auditkit.core.errors import InputRefusedError, ModelCrashedError, PlanError
from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.open import open_model
from auditkit.models.python_function import open_python
from auditkit.models.spec import ModelSpec
from auditkit.models.trust import NOBODY, Trust
from auditkit.models.worker.probe import isolation_here

INPUTS = (Input("a", InputKind.NUMERIC), Input("c", InputKind.CATEGORICAL))
ROWS = {
    "a": np.array([0.5, -1.0, np.nan]),
    "c": np.array(["x", None, "y"], dtype=object),
}
OWN = Trust(code=True)


@pytest.fixture
def write(tmp_path):
    def at(source: str, name: str = "model.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return path

    return at


@pytest.fixture
def here(write, monkeypatch):
    """Run a source and take its function, in this process: what the worker does, faster."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)

    def run(source: str, function: str = "predict", outputs: str | None = None):
        options = {"name": "/plan/model.py", "function": function, "outputs": outputs, "inputs": ["a", "c"]}
        return open_python(write(source), "cpu", options)

    return run


def opened(path: Path, trust: Trust = OWN, **more):
    trust = Trust(trust.digests, trust.code, sandbox=isolation_here().complete)
    return open_model(ModelSpec(kind="python", path=path, **more), inputs=INPUTS, trust=trust)


def flag(path: Path) -> str:
    return f"--trust sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def refusal(path: Path, trust: Trust = NOBODY, **more) -> str:
    with pytest.raises(InputRefusedError) as caught:
        open_model(ModelSpec(kind="python", path=path, **more), inputs=INPUTS, trust=trust).close()
    return str(caught.value)


def test_untrusted_it_is_refused_and_both_flags_are_named(write, tmp_path):
    path = write(f"open({str(tmp_path / 'ran')!r}, 'w')")
    text = refusal(path)
    assert "Where the Python code is your own: --trust-code." in text
    assert text.endswith(flag(path))
    assert not (tmp_path / "ran").exists()


def test_it_runs_with_its_files_and_nothing_else(write, tmp_path):
    """Named files lie beside it and can be imported and read; an unnamed one can't, nor can anything be written."""
    write("SLOPE = 2.0", "helper.py")
    write("1.5", "data/shift.txt")
    unnamed = write("secret", "unnamed.txt")
    path = write(
        f"""
        import errno
        from pathlib import Path
        import helper

        HERE = Path(__file__).parent

        def load():
            found = []
            for attempt in (
                lambda: (HERE / "unnamed.txt").read_text(),
                lambda: Path({str(unnamed)!r}).read_text(),
                lambda: Path({str(tmp_path / "new")!r}).write_text("x"),
                lambda: (HERE / "new").write_text("x"),
                lambda: __import__("unnamed"),
            ):
                try:
                    attempt()
                    found.append("done")
                except (OSError, ImportError) as error:
                    found.append(type(error).__name__)
            return float((HERE / "data" / "shift.txt").read_text()), found

        def score(frame, loaded):
            shift, found = loaded
            assert found[-1] == "ModuleNotFoundError" and found[0] == "FileNotFoundError", found
            if {isolation_here().complete}:
                assert set(found[1:4]) <= {{"PermissionError"}}, found
            assert list(frame.columns) == ["a", "c"] and frame["c"].isna().tolist() == [False, True, False]
            return helper.SLOPE * frame["a"].fillna(0.0) + shift
        """.replace("\n        ", "\n")
    )
    files = tuple(tmp_path / name for name in ("helper.py", "data/shift.txt"))
    text = refusal(path, OWN, files=files)
    assert text.startswith(str(files[1])), "only what is no Python code needs its digest"
    assert text.endswith(flag(files[1]))
    trust = Trust(frozenset({hashlib.sha256(files[1].read_bytes()).hexdigest()}), code=True)
    with opened(path, trust, function="score", files=files, outputs="values") as model:
        assert model.predict(ROWS).values[:, 0].tolist() == [2.5, -0.5, 1.5]
        info = model.info
    assert [(Path(t.path).name, t.by) for t in info.trusted] == [
        ("model.py", "code"),
        ("helper.py", "code"),
        ("shift.txt", "digest"),
    ]
    assert (info.kind, info.outputs, info.estimates) == ("python", "values", "regression")
    assert not (tmp_path / "new").exists()


def test_all_flags_are_named_at_once(write, tmp_path):
    path, helper, data = write("def predict(f): ..."), write("x = 1", "helper.py"), write("1", "data.txt")
    text = refusal(path, files=(helper, data))
    assert text.endswith(" ".join(map(flag, (path, helper, data))))
    assert "--trust-code" in text


def test_labels(here):
    model = here("def predict(frame): return [1 if a > 0 else 0 for a in frame['a']]")
    assert (model.info.outputs, model.info.estimates) == ("labels", None)
    assert model.predict(ROWS).labels.tolist() == ["1", "0", "0"]
    model = here("import numpy as np\ndef predict(frame): return np.where(frame['a'] > 0, 'yes', 'no')")
    assert model.predict(ROWS).labels.tolist() == ["yes", "no", "no"]


@pytest.mark.parametrize("outputs", ["logits", "probabilities", "values"])
def test_numbers_mean_what_the_plan_says(here, outputs):
    source = "def predict(frame): return frame[['a']].fillna(0.25)"
    assert here(source, outputs=outputs).predict(ROWS).values[:, 0].tolist() == [0.5, -1.0, 0.25]
    with pytest.raises(PlanError, match=r"model\.outputs: predict of model\.py answers numbers; say whether"):
        here(source).predict(ROWS)


def test_a_function_that_is_not_there(here):
    with pytest.raises(PlanError, match=r"model\.function: /plan/model\.py defines no function 'predikt'.*'predict'\?"):
        here("def predict(frame): ...", function="predikt")
    with pytest.raises(PlanError, match="defines no function 'predict'"):
        here("predict = 3")
    with pytest.raises(PlanError, match="defines no function 'load' that predicts"):
        here("def load(): ...", function="load")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ndef predict(frame: ...", "line 2: '\\(' was never closed"),
        ("import no_such_module", "imports 'no_such_module', which is neither installed here nor among model.files"),
        ("1 / 0", r"running it failed on line 1 \(ZeroDivisionError"),
        ("open('/no/such/file')", r"FileNotFoundError.*it can read no more than what model\.files names"),
        ("def load(): raise KeyError('k')\ndef predict(f, x): ...", r"its load\(\) failed on line 1 \(KeyError"),
        ("\x00", "null bytes"),
    ],
)
def test_a_file_that_does_not_run_says_why(here, source, message):
    with pytest.raises(InputRefusedError, match=message) as caught:
        here(source)
    assert str(caught.value).startswith("/plan/model.py: ")


def test_a_function_that_fails_says_on_which_line(here):
    model = here("def inner(frame):\n    return frame['absent']\n\ndef predict(frame):\n    return inner(frame)")
    with pytest.raises(ModelCrashedError, match=r"predict of model\.py failed on line 2: KeyError: 'absent'"):
        model.predict(ROWS)


def test_the_wrong_number_of_answers(here):
    with pytest.raises(Exception, match=r"predict of model\.py answered 1 predictions for 3 rows"):
        here("def predict(frame): return ['a']").predict(ROWS)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["../outside.txt"], r"model\.files\[0\]: lies outside of the folder of model\.py"),
        (["a.txt", "../elsewhere/../../x"], r"model\.files\[1\]: lies outside"),
        (["a.txt", "./a.txt"], r"model\.files\[1\]: names a\.txt a second time"),
        (["model.py"], r"model\.files\[0\]: names model\.py a second time"),
    ],
)
def test_files_lie_beside_the_code(write, tmp_path, files, message):
    path = write("def predict(frame): ...")
    with pytest.raises(PlanError, match=message):
        opened(path, files=tuple(tmp_path / name for name in files))


def test_code_in_another_encoding_and_with_a_mark_runs(here, write):
    assert here("# -*- coding: utf-8 -*-\ndef predict(frame): return ['é'] * len(frame)").predict(ROWS).labels[0] == "é"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox is Linux's")
def test_hostile_code_is_contained(write, tmp_path):
    if not isolation_here().complete:
        pytest.skip(f"this machine can't contain code: {isolation_here().lacks}")
    path = write(f"open({str(tmp_path / 'ran')!r}, 'w')")
    text = refusal(path, OWN)
    assert re.search("running it failed on line 1 \\(PermissionError", text), text
    assert not (tmp_path / "ran").exists()


def test_a_link_with_the_name_of_code_is_not_own_code(write, tmp_path):
    """Otherwise code could be handed the labels under the name of a module."""
    write("label\nyes\n", "test.csv")
    (tmp_path / "labels.py").symlink_to("test.csv")
    path = write("predict = len")
    text = refusal(path, OWN, files=(tmp_path / "labels.py",))
    assert text.endswith(flag(tmp_path / "test.csv"))

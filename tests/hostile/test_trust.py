"""Trust comes from the command line alone: what can't grant it, what is no grant, and what an audit says of it."""

import hashlib
import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from auditkit.core.errors import PlanError
from auditkit.models.trust_file import MAX_BYTES, parse_digest, read_trust_file
from tests.conftest import edit, plain
from tests.hostile.pickles import touching

PLAN = """\
name: trusted
model:
  kind: sklearn
  path: model/m.pkl
data:
  splits: {train: data/train.csv, test: data/test.csv}
  target: y
  positive: "yes"
  sensitive: [sex]
  inputs: {a: numeric, b: numeric}
checks: {explainability: off}
gates:
  - {check: performance.summary, metric: accuracy, min: 0.5}
"""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def last_flag(text: str) -> str:
    """The flag's value, as the refusal prints it ready to copy."""
    match = re.search(r"--trust (sha256:[0-9a-f]{64})$", text.strip())
    assert match is not None, text
    return match[1]


@pytest.fixture
def project(tmp_path) -> Path:
    """A plan, its data, and a pickled model that is what it seems to be. Lists of digests lie in `lists/`."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)})
    labels = np.where(frame.a + frame.b + rng.normal(size=400) > 0, "yes", "no")
    model = LogisticRegression().fit(frame, labels)
    frame = frame.assign(sex=np.where(rng.random(400) < 0.5, "F", "M"), y=labels)
    for name in ("model", "data", "lists"):
        (tmp_path / name).mkdir()
    frame[:200].to_csv(tmp_path / "data/train.csv", index=False)
    frame[200:].to_csv(tmp_path / "data/test.csv", index=False)
    (tmp_path / "model/m.pkl").write_bytes(pickle.dumps(model))
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    return tmp_path


@pytest.fixture
def bomb(project) -> Path:
    """The same project with a model that leaves `ran` behind when it is unpickled."""
    (project / "model/m.pkl").write_bytes(pickle.dumps(touching(project / "ran")))
    return project


# --- what grants nothing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("", "trust: [sha256:DIGEST]"),
        ("", "trust_code: true"),
        ("", "no_sandbox: true"),
        ("model", "trust: sha256:DIGEST"),
        ("model", "trusted: [{path: model/m.pkl, sha256: DIGEST, by: digest}]"),
        ("model", "trust_remote_code: true"),
        ("model", "sha256: DIGEST"),
        ("run", "trust_file: lists/ours"),
    ],
)
def test_no_key_of_a_plan(bomb, auditkit, section, key):
    plan, key = bomb / "plan.yaml", key.replace("DIGEST", sha256(bomb / "model/m.pkl"))
    if section == "model":
        edit(plan, ("  kind: sklearn\n", f"  kind: sklearn\n  {key}\n"))
    else:
        edit(plan, ("checks:", f"{section}: {{{key}}}\nchecks:" if section else f"{key}\nchecks:"))
    answer = auditkit("run", plan, "--out", bomb / "out")
    assert answer.code == 2, answer.text
    assert re.search(rf"line \d+: {section + '.' if section else ''}{key.partition(':')[0]}: unknown key", answer.err)
    assert not (bomb / "ran").exists()


def test_nothing_beside_the_model_and_nothing_in_the_environment(bomb, auditkit, monkeypatch):
    digest = f"sha256:{sha256(bomb / 'model/m.pkl')}"
    for name in (".auditkit", "auditkit.toml", "trusted", ".trust", "trust.txt", "m.pkl.sha256", "config.json"):
        for folder in (bomb, bomb / "model"):
            (folder / name).write_text(f"{digest}\n")
    (bomb / "trusted").write_text(digest)
    monkeypatch.chdir(bomb)
    for name in ("TRUST", "AUDITKIT_TRUST", "AUDITKIT_RUN_TRUST", "RUN_TRUST"):
        monkeypatch.setenv(name, digest)
    for name in ("AUDITKIT_TRUST_CODE", "AUDITKIT_RUN_TRUST_CODE", "AUDITKIT_NO_SANDBOX", "AUDITKIT_RUN_NO_SANDBOX"):
        monkeypatch.setenv(name, "1")
    for name in ("AUDITKIT_TRUST_FILE", "AUDITKIT_RUN_TRUST_FILE"):
        monkeypatch.setenv(name, str(bomb / "lists/ours"))
    answer = auditkit("run", "plan.yaml", "--out", "out")
    assert answer.code == 4, answer.text
    assert last_flag(answer.err) == digest
    assert not (bomb / "ran").exists()


@pytest.mark.parametrize("flag", [("--trust-code",), ("--no-sandbox",), ("--trust", f"sha256:{'0' * 64}")])
def test_no_other_flag(bomb, auditkit, flag):
    answer = auditkit("run", bomb / "plan.yaml", "--out", bomb / "out", *flag)
    assert answer.code == 4, answer.text
    assert last_flag(answer.err) == f"sha256:{sha256(bomb / 'model/m.pkl')}"
    assert not (bomb / "ran").exists()


def test_only_run_has_the_flags(bomb, auditkit):
    digest = f"sha256:{sha256(bomb / 'model/m.pkl')}"
    for command in ("train", "gate", "report", "demo"):
        answer = auditkit(command, bomb / "plan.yaml", "--trust", digest)
        assert answer.code == 2, answer.text
        assert "No such option" in answer.err


# --- what is no digest -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a" * 64, f"found '{'a' * 64}'; write sha256:{'a' * 64}"),
        ("sha256:" + "a" * 63, "found 63 digits"),
        ("sha256:" + "a" * 65, "found 65 digits"),
        ("sha256:", "found 'sha256:'"),
        ("", "found ''"),
        ("SHA256:" + "a" * 64, f"'; write sha256:{'a' * 64}"),
        ("sha1:" + "a" * 40, "found 'sha1:aaa"),
        ("sha256:" + "g" * 64, "found 'sha256:ggg"),
        ("sha256: " + "a" * 64, f"'; write sha256:{'a' * 64}"),
        ("sha256:" + "a" * 64 + "\n", "found 'sha256:aaa"),
        ("sha256:" + "٣" * 64, "found 'sha256:"),
        ("model/m.pkl", "found 'model/m.pkl'"),
    ],
)
def test_a_flag_of_another_form(bomb, auditkit, given, message):
    answer = auditkit("run", bomb / "plan.yaml", "--out", bomb / "out", "--trust", given, "--trust", "also wrong")
    assert answer.code == 2, answer.text
    assert message in answer.err
    assert "found 'also wrong'" in answer.err
    assert answer.err.count("--trust: expected `sha256:` and 64 hexadecimal digits") == 2


def test_capital_digits_are_the_same_number():
    assert parse_digest("sha256:" + "AB" * 32) == "ab" * 32


# --- the list --------------------------------------------------------------------------------------------------------


def wrong_list(path: Path) -> str:
    with pytest.raises(PlanError) as caught:
        read_trust_file(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_list_holds_digests_comments_and_nothing_else(tmp_path):
    path = tmp_path / "list"
    path.write_text(
        f"# ours\n\n  # more\nsha256:{'a' * 64}\nsha256:{'B' * 64}   the model of May\r\n\tsha256:{'c' * 64}\t# old\n"
    )
    assert read_trust_file(path) == {"a" * 64, "b" * 64, "c" * 64}
    path.write_bytes(f"\ufeffsha256:{'a' * 64}\r\n".encode())  # as editors of Windows save it
    assert read_trust_file(path) == {"a" * 64}
    path.write_text("")
    assert read_trust_file(path) == frozenset()
    path.write_text(f"sha256:{'a' * 64}\n{'b' * 64}\n\n* \nsha256:{'a' * 63}\n")
    text = wrong_list(path)
    assert [re.match(r"line \d+", line)[0] for line in text.splitlines()] == ["line 2", "line 4", "line 5"]
    assert f"write sha256:{'b' * 64}" in text
    path.write_text("all\n" * 1000)
    assert "and 980 more such lines" in wrong_list(path)


def test_a_list_that_can_not_be_one(tmp_path):
    path = tmp_path / "list"
    assert "no such file" in wrong_list(path)
    assert "a directory" in wrong_list(tmp_path)
    path.write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text (byte 0)" in wrong_list(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "more than the 1,048,576 that are read" in wrong_list(path)
    os.mkfifo(tmp_path / "pipe")
    assert "a pipe or a device" in wrong_list(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "--trust-file" in wrong_list(tmp_path / "loop")


def test_a_list_that_any_user_could_write(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "list"
    path.write_text("")
    path.chmod(0o666)
    assert "every user of this machine can write to it; `chmod o-w` it" in wrong_list(path)
    path.chmod(0o600)
    folder.chmod(0o777)
    assert "every user of this machine can replace it" in wrong_list(path)
    (tmp_path / "link").symlink_to(path)
    assert "every user of this machine can replace it" in wrong_list(tmp_path / "link")
    folder.chmod(0o1777)
    assert read_trust_file(path) == frozenset()


def inside(project: Path) -> dict[str, Path]:
    """Places of a list that whoever makes the model, or the data, could reach."""
    content = f"sha256:{sha256(project / 'model/m.pkl')}\n"
    (project / "model/sub").mkdir()
    (project / "real").mkdir()
    for name in ("model/list", "model/sub/list", "lists/list", "real/list"):
        (project / name).write_text(content)
    (project / "lists/link").symlink_to(project / "model/list")
    (project / "model/link").symlink_to(project / "lists/list")
    (project / "lists/folder").symlink_to(project / "model")
    return {
        "beside": project / "model/list",
        "below": project / "model/sub/list",
        "linked-in": project / "lists/link",
        "linked-out": project / "model/link",
        "through-a-folder": project / "lists/folder/list",
        "dotted": project / "lists/../model/list",
    }


PLACES = ("beside", "below", "linked-in", "linked-out", "through-a-folder", "dotted")


@pytest.mark.parametrize("place", PLACES)
def test_a_list_in_the_folder_of_the_model(bomb, auditkit, place):
    answer = auditkit("run", bomb / "plan.yaml", "--out", bomb / "out", "--trust-file", inside(bomb)[place])
    assert answer.code == 2, answer.text
    assert "stands in the model's folder" in answer.err
    assert not (bomb / "ran").exists()


def test_a_list_in_the_folder_that_the_model_is_linked_from(bomb, auditkit):
    (bomb / "real").mkdir()
    (bomb / "model/m.pkl").rename(bomb / "real/m.pkl")
    (bomb / "model/m.pkl").symlink_to(bomb / "real/m.pkl")
    for folder in ("real", "model"):
        (bomb / folder / "list").write_text(f"sha256:{sha256(bomb / 'real/m.pkl')}\n")
        answer = auditkit("run", bomb / "plan.yaml", "--out", bomb / "out", "--trust-file", bomb / folder / "list")
        assert answer.code == 2, answer.text
        assert "stands in the model's folder" in answer.err
    assert not (bomb / "ran").exists()


def test_a_list_that_is_data(bomb, auditkit):
    digest = sha256(bomb / "model/m.pkl")
    (bomb / "data/test.csv").write_text(f"sha256:{digest}\n")
    os.link(bomb / "data/test.csv", bomb / "lists/hard")
    for path in (bomb / "data/test.csv", bomb / "lists/hard"):
        answer = auditkit("run", bomb / "plan.yaml", "--out", bomb / "out", "--trust-file", path)
        assert answer.code == 2, answer.text
        assert "stands in what the plan names as data" in answer.err
        assert not (bomb / "ran").exists()


# --- the whole way ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_refused_then_trusted_by_the_flag_that_was_printed(project, auditkit, containment):
    plan, out = project / "plan.yaml", project / "out"
    refused = auditkit("run", plan, "--out", out)
    assert refused.code == 4
    flag = last_flag(refused.err)
    digest = flag.removeprefix("sha256:")
    other = f"sha256:{'0' * 64}"
    answer = auditkit("run", plan, "--out", out, "--trust", flag, "--trust", other, "--format", "html,md")
    assert answer.code == 0, answer.text
    assert f"--trust {other} matched no file of the model" in answer.err
    assert f"--trust {flag} matched" not in answer.err
    sentence = f"m.pkl can run code. It was loaded because its digest was named as trusted: {flag}."
    assert f"trusted: model/{sentence}" in answer.out
    audit = json.loads((out / "audit.json").read_text())
    assert audit["model"]["trusted"] == [{"path": "model/m.pkl", "sha256": digest, "by": "digest"}]
    assert audit["model"]["sha256"] == digest
    assert "seccomp" in audit["environment"]["isolation"]
    assert sentence in plain((out / "report.html").read_text())
    assert f"auditkit run PLAN --seed 0 --trust {flag}" in (out / "report.html").read_text()
    assert "m.pkl can run code" in (out / "summary.md").read_text()
    starts = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    granted = [line["trust"] for line in starts if line["event"] == "start"]
    assert granted == [None, {"digests": [digest], "code": False, "sandbox": True}]

    again = auditkit("run", plan, "--out", out, "--resume", "--trust", flag)
    assert again.code == 0, again.text
    without = auditkit("run", plan, "--out", out, "--resume")
    assert without.code == 4, "a resumed run is trusted by its own command line, or not at all"
    assert last_flag(without.err) == flag
    assert not (out / "audit.json").exists(), "the verdict of another run would be read as that of this one"


@pytest.mark.slow
def test_a_list_outside_grants_and_the_model_that_was_trained_anew_is_refused(project, auditkit, containment):
    listed = project / "lists/ours"
    listed.write_text(f"# of last week\nsha256:{sha256(project / 'model/m.pkl')}  model/m.pkl\n")
    answer = auditkit("run", project / "plan.yaml", "--out", project / "out", "--trust-file", listed)
    assert answer.code == 0, answer.text
    assert "matched no file" not in answer.err
    (project / "model/m.pkl").write_bytes(pickle.dumps(touching(project / "ran")))
    answer = auditkit("run", project / "plan.yaml", "--out", project / "other", "--trust-file", listed)
    assert answer.code == 4
    assert "No digest that --trust or --trust-file named is its own" in answer.err
    assert not (project / "ran").exists()


@pytest.mark.slow
def test_without_a_sandbox_only_by_the_flag_and_said_so(project, auditkit):
    flag = f"sha256:{sha256(project / 'model/m.pkl')}"
    out = project / "out"
    answer = auditkit("run", project / "plan.yaml", "--out", out, "--trust", flag, "--no-sandbox")
    assert answer.code == 0, answer.text
    audit = json.loads((out / "audit.json").read_text())
    assert "without a sandbox (--no-sandbox)" in audit["environment"]["isolation"]
    assert [t["by"] for t in audit["model"]["trusted"]] == ["digest"]


@pytest.mark.slow
def test_code_of_ones_own_from_a_plan(project, auditkit, containment):
    (project / "model.py").write_text("def score(frame): return 1 / (1 + 2.718 ** -(frame.a + frame.b))\n")
    edit(
        project / "plan.yaml",
        ("kind: sklearn\n  path: model/m.pkl", "kind: python\n  path: model.py:score\n  outputs: probabilities"),
    )
    refused = auditkit("run", project / "plan.yaml", "--out", project / "out")
    assert refused.code == 4
    assert "--trust-code" in refused.err
    answer = auditkit("run", project / "plan.yaml", "--out", project / "out", "--trust-code")
    assert answer.code == 0, answer.text
    assert "model.py is Python code. It was run because it was named as the user’s own" in answer.out
    audit = json.loads((project / "out/audit.json").read_text())
    assert audit["model"]["trusted"][0]["by"] == "code"
    assert (audit["plan"]["model"]["path"], audit["plan"]["model"]["function"]) == ("model.py", "score")
    assert "auditkit run PLAN --seed 0 --trust-code" in (project / "out/report.html").read_text()
    edit(project / "model.py", ("-(frame.a + frame.b)", "(frame.a + frame.b)"))
    resumed = auditkit("run", project / "plan.yaml", "--out", project / "out", "--trust-code", "--resume")
    assert resumed.code == 1, resumed.text
    after = json.loads((project / "out/audit.json").read_text())
    accuracy = [next(f["value"] for f in a["findings"] if f["metric"] == "accuracy") for a in (audit, after)]
    assert accuracy[0] != accuracy[1], "scores of the code as it was must not be taken for those of the code as it is"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{kind: python, path: 'os:system'}", r"model\.path: expected a Python file.*found 'os:system'"),
        ("{kind: python, path: 'package.module:f'}", r"model\.path: expected a Python file"),
        ("{kind: python, path: package.module}", r"model\.path: expected a Python file"),
        ("{kind: python, path: absent.py}", r"model\.path: there is nothing at .*absent\.py"),
        ("{kind: python}", r"model\.path: is required for `kind: python`"),
        ("{kind: python, path: plan.yaml, function: f}", r"model\.path: expected a Python file"),
        ("{kind: python, path: own.py, function: 'os.system'}", r"model\.function: expected the name of a function"),
        ("{kind: python, path: own.py, files: [absent.bin]}", r"model\.files\[0\]: there is nothing at"),
        ("{kind: python, path: own.py, files: [data]}", r"model\.files\[0\]: .*data is a directory"),
        ("{kind: python, path: own.py, files: [../x]}", r"model\.files\[0\]"),
        ("{kind: python, path: own.py, builder: 'own.py:f'}", r"model\.builder: belongs to `kind: torch`"),
        ("{kind: torch, path: model/m.pkl, builder: 'os:system'}", r"model\.builder: expected a Python file and a"),
        ("{kind: torch, path: model/m.pkl, builder: 'absent.py:f'}", r"model\.builder: there is nothing at"),
        ("{kind: torch, path: model, builder: 'own.py:f'}", r"model\.builder: means nothing for a directory"),
        ("{kind: torch, path: model/m.pkl, preprocess: {size: 3}}", r"model\.preprocess\.size: unknown key"),
        ("{kind: sklearn, path: model/m.pkl, function: f}", r"model\.function: belongs to `kind: python`"),
        ("{kind: predictions, prediction: y, builder: 'own.py:f'}", r"model\.builder: means nothing"),
    ],
)
def test_a_plan_that_names_code_in_another_way(project, auditkit, model, message):
    (project / "own.py").write_text("def f(): ...")
    edit(project / "plan.yaml", ("model:\n  kind: sklearn\n  path: model/m.pkl", f"model: {model}"))
    answer = auditkit("run", project / "plan.yaml", "--out", project / "out", "--trust-code")
    assert answer.code == 2, answer.text
    assert re.search(rf"line 2: {message}", answer.err), answer.err

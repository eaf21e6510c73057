"""The attestation: what it covers, that other tools read it, and what becomes of it when a run goes on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from auditkit.core.audit import Audit, TrustedFile
from auditkit.core.errors import InputRefusedError, PlanError
from auditkit.core.files import manifest_digest, sha256_tree
from auditkit.models.spec import ModelSpec
from auditkit.models.worker.limits import scrubbed_environment
from auditkit.pipeline.attest.dsse import PAYLOAD_TYPE, Envelope, parse_envelope
from auditkit.pipeline.attest.inputs import ModelFiles, model_files
from auditkit.pipeline.attest.keys import PASSWORD_VARIABLE, generate, load_signer, load_verifier
from auditkit.pipeline.journal import read_journal
from auditkit.pipeline.render import pages
from auditkit.report.render import render
from tests.conftest import Answer, edit, plain
from tests.pipeline.attested import Place, make_place, run, texts
from tests.pipeline.test_exit_codes import ACCURACY, write

Cli = Callable[..., Answer]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("attested"))


@pytest.fixture
def place(original: Place, tmp_path: Path) -> Place:
    return original.copy(tmp_path / "place")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_file_of_the_run_the_data_and_the_plan_are_subjects(original: Place) -> None:
    statement = original.statement()
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    found = {subject["name"]: subject["digest"] for subject in statement["subject"]}
    files = [path for path in original.out.rglob("*") if path.is_file() and path.name != "attestation.json"]
    expected = {f"run/{path.relative_to(original.out).as_posix()}": {"sha256": _sha256(path)} for path in files}
    expected["data/test"] = {"sha256": _sha256(original.root / "test.csv")}
    expected["plan/plan.yaml"] = {"sha256": _sha256(original.plan)}
    assert found == expected
    assert {"run/report.html", "run/evidence/predictions.parquet"} <= set(found)


def test_the_predicate_says_what_the_audit_says(original: Place) -> None:
    predicate = original.statement()["predicate"]
    audit = json.loads((original.out / "audit.json").read_text())
    assert (predicate["verdict"], predicate["exit_code"]) == (audit["verdict"], audit["exit_code"]) == ("pass", 0)
    assert predicate["run"]["id"] == audit["run"]["id"]
    assert predicate["run"]["finished"].endswith("Z")
    assert predicate["isolation"] == audit["environment"]["isolation"]
    (gate,) = predicate["gates"]
    (judged,) = [finding for finding in audit["findings"] if finding["gate"]]
    assert (gate["id"], gate["status"], gate["value"]) == (judged["id"], "pass", judged["value"])
    lines = (original.out / "journal.jsonl").read_bytes().splitlines(keepends=True)
    assert predicate["journal"]["lines"] == len(lines)
    assert predicate["journal"]["head"] == hashlib.sha256(lines[-1]).hexdigest()
    last = json.loads(lines[-1])
    assert (last["event"], last["run"]) == ("end", audit["run"]["id"])
    assert predicate["reports"] == ["report.html"]


def test_another_library_verifies_the_envelope(original: Place) -> None:
    public = load_pem_public_key((original.root / "ci.pub").read_bytes())
    other = load_pem_public_key((original.root / "other.pub").read_bytes())
    theirs = TheirEnvelope.from_dict(json.loads((original.out / "attestation.json").read_text()))
    key = SSlibKey.from_crypto(public)
    assert theirs.verify([key], 1) == {key.keyid: key}
    assert key.keyid == load_verifier(original.root / "ci.pub").key_id
    with pytest.raises(VerificationError):
        theirs.verify([SSlibKey.from_crypto(other)], 1)


def test_an_envelope_of_another_library_is_verified(original: Place) -> None:
    private = load_pem_private_key(original.key().read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    theirs = TheirEnvelope(b'{"a": 1}', PAYLOAD_TYPE, {})
    theirs.sign(CryptoSigner(private))
    ours = parse_envelope(json.dumps(theirs.to_dict()).encode(), "theirs")
    assert ours.payload == b'{"a": 1}'
    assert ours.signature_of(load_verifier(original.root / "ci.pub"))
    assert ours.signature_of(load_verifier(original.root / "other.pub")) is None


def test_what_is_signed_is_the_vector_of_the_specification() -> None:
    envelope = Envelope(b"hello world", "http://example.com/HelloWorld")
    assert envelope.message == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert Envelope("é".encode(), "t").message == b"DSSEv1 1 t 2 \xc3\xa9"


def test_verify_says_what_was_looked_at(auditkit: Cli, place: Place) -> None:
    answer = auditkit("verify", place.out, "--key", place.root / "ci.pub", "--plan", place.plan)
    assert answer.code == 0, answer.text
    key_id = load_verifier(place.root / "ci.pub").key_id
    for words in (
        f"ok signature: by key {key_id}",
        "ok audit.json: as attested",
        "ok report.html: as attested",
        "ok journal.jsonl:",
        "ok plan: the text that was audited",
        "ok data/test: the file that was audited",
        f"run {place.statement()['predicate']['run']['id']}, finished",
        f"verified: nothing was altered since it was signed by key {key_id}",
    ):
        assert words in plain(answer.out)


def test_without_a_key_only_accidents_are_ruled_out(auditkit: Cli, place: Place) -> None:
    answer = auditkit("verify", place.out)
    assert answer.code == 0
    assert "no signature was checked, which rules out accidents, but no forgery" in answer.out
    assert "give --key" in answer.out
    run(place, place.root / "unsigned")
    answer = auditkit("verify", place.root / "unsigned")
    assert answer.code == 0
    assert "the audit was not signed" in answer.out
    assert "no forgery" in answer.out
    answer = auditkit("verify", place.root / "unsigned", "--key", place.root / "ci.pub")
    assert answer.code == 1
    assert "NOT VERIFIED" in answer.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 2, "is no directory"),
        (["."], 2, "holds no audit"),
        (["out", "--key", "nowhere.pub"], 2, "can't be read"),
        (["out", "--key", "ci.key"], 2, "is a private key"),
        (["out", "--key", "plan.yaml"], 2, "is no public key"),
        (["out", "--key", "rsa.pub"], 2, "is no Ed25519 key"),
        (["out", "--plan", "nowhere.yaml"], 2, "does not exist"),
    ],
)
def test_wrong_command_lines(
    auditkit: Cli, place: Place, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    rsa = generate_private_key(65537, 2048).public_key()
    content = rsa.public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    (place.root / "rsa.pub").write_bytes(content)
    monkeypatch.chdir(place.root)
    answer = auditkit("verify", *arguments)
    assert (answer.code, words in answer.err) == (code, True), answer.text


@pytest.mark.parametrize(("given", "words"), [("ci.pub", "is a public key"), ("plan.yaml", "is no private key")])
def test_a_key_that_can_not_sign_stops_the_run_before_it_starts(
    auditkit: Cli, place: Place, given: str, words: str
) -> None:
    answer = auditkit("run", place.plan, "--out", place.root / "new", "--sign", place.root / given)
    assert answer.code == 2
    assert words in answer.err
    assert not (place.root / "new").exists()


def test_keygen(auditkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old = os.umask(0)
    try:
        answer = auditkit("keygen", "mine")
    finally:
        os.umask(old)
    assert answer.code == 0
    assert load_verifier(Path("mine.pub")).key_id in answer.out
    assert load_signer(Path("mine.key")).key_id == load_verifier(Path("mine.pub")).key_id
    assert stat.S_IMODE(Path("mine.key").stat().st_mode) == 0o600
    before = Path("mine.key").read_bytes()
    assert auditkit("keygen", "mine").code == 2
    Path("mine.pub").unlink()
    assert auditkit("keygen", "mine").code == 2
    assert Path("mine.key").read_bytes() == before
    assert not Path("mine.pub").exists()
    assert auditkit("keygen", "absent/mine").code == 2
    Path("dangling.key").symlink_to("victim")
    assert auditkit("keygen", "dangling").code == 2
    assert not Path("victim").exists()


def test_an_encrypted_key(auditkit: Cli, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    key = place.root / "locked.key"
    assert auditkit("keygen", "--encrypt", place.root / "locked").code == 2  # nobody can be asked
    monkeypatch.setenv(PASSWORD_VARIABLE, "pässword")
    assert "encrypted" in auditkit("keygen", place.root / "locked").out
    assert b"ENCRYPTED PRIVATE KEY" in key.read_bytes()
    run(place, place.root / "locked-run", "--sign", str(key))
    assert place.check(place.root / "locked-run", key="locked").whole
    run(place, place.root / "plain-run", "--sign", str(place.key()))  # a password that this key does not need
    monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
    with pytest.raises(PlanError, match="password is wrong"):
        load_signer(key)
    monkeypatch.delenv(PASSWORD_VARIABLE)
    answer = auditkit("run", place.plan, "--out", place.root / "x", "--sign", key)
    assert answer.code == 2
    assert PASSWORD_VARIABLE in answer.err


def test_a_key_that_others_can_read_is_told(auditkit: Cli, place: Place) -> None:
    place.key().chmod(0o644)
    answer = auditkit("run", place.plan, "--out", place.root / "new", "--sign", place.key())
    assert answer.code == 0
    assert "can be read by others" in answer.err


def test_the_attestation_is_written_last(place: Place, monkeypatch: pytest.MonkeyPatch, auditkit: Cli) -> None:
    """Ended just before: all is there but the attestation, and a resumed run adds it."""

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    out = place.root / "stopped"
    with monkeypatch.context() as patched:
        patched.setattr("auditkit.pipeline.run.attest", stopped)
        assert auditkit("run", place.plan, "--out", out, "--sign", place.key()).code == 130
    assert {"audit.json", "report.html", "journal.jsonl"} <= {path.name for path in out.iterdir()}
    assert "end" in [entry.event for entry in read_journal(out / "journal.jsonl")[0]]
    answer = auditkit("verify", out)
    assert answer.code == 1
    assert "unfinished" in answer.out
    run(place, out, "--resume", "--sign", str(place.key()))
    assert place.check(out, plan=True).whole


def test_a_resumed_run_that_is_stopped_keeps_the_old_attestation_which_no_longer_holds(
    place: Place, monkeypatch: pytest.MonkeyPatch, auditkit: Cli
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    before = (place.out / "audit.json").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("auditkit.pipeline.run.perform", stopped)
        assert auditkit("run", place.plan, "--out", place.out, "--resume", "--sign", place.key()).code == 130
    assert (place.out / "audit.json").read_bytes() == before
    found = place.check()
    assert not found.whole
    assert "goes on for 2 more lines: a later run began and has not finished" in texts(found)
    run(place, place.out, "--resume", "--sign", str(place.key()))
    assert place.check(plan=True).whole


def test_a_resumed_run_without_the_key_says_that_the_signature_is_gone(auditkit: Cli, place: Place) -> None:
    answer = auditkit("run", place.plan, "--out", place.out, "--resume")
    assert answer.code == 0
    assert "was signed; without --sign its new attestation is not" in plain(answer.err)
    assert place.check(key=None).whole
    assert not place.check().whole


def test_a_resumed_run_renders_again_whatever_reports_there_are(auditkit: Cli, place: Place) -> None:
    """No report of the earlier run stays beside an audit that judges differently."""
    plan = write(place.root, ACCURACY % 0.88)
    out = place.root / "undecided"
    assert auditkit("run", plan, "--out", out, "--format", "html,md").code == 5
    assert auditkit("run", plan, "--out", out, "--resume", "--allow-inconclusive", "--format", "junit").code == 0
    audit = Audit.from_json((out / "audit.json").read_bytes())
    assert audit.exit_code == 0
    for name, format in (("report.html", "html"), ("summary.md", "md")):
        assert (out / name).read_text(encoding="utf-8") == render(audit, format, pages())
    assert place.check(out, key=None).whole
    assert place_reports(out) == ["junit.xml", "report.html", "summary.md"]


def place_reports(out: Path) -> list[str]:
    envelope = parse_envelope((out / "attestation.json").read_bytes(), "attestation")
    reports: list[str] = json.loads(envelope.payload)["predicate"]["reports"]
    return reports


def test_rendering_again_gives_the_same_bytes_and_verifies(auditkit: Cli, place: Place) -> None:
    before = {path.name: path.read_bytes() for path in place.out.iterdir() if path.is_file()}
    assert auditkit("report", place.out, "--format", "html").code == 0
    assert {path.name: path.read_bytes() for path in place.out.iterdir() if path.is_file()} == before
    assert auditkit("report", place.out, "--format", "md,junit,sarif").code == 0
    found = place.check()
    assert found.whole, texts(found)
    assert [line.what for line in found.lines if line.text.startswith("not covered, but")] == [
        "audit.sarif",
        "junit.xml",
        "summary.md",
    ]
    summary = place.out / "summary.md"
    summary.write_bytes(summary.read_bytes().replace(b"meets", b"fails"))
    assert "summary.md: is not covered" in texts(place.check())


def test_another_version_does_not_render_over_a_signed_report(
    auditkit: Cli, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditkit.report.render.render", lambda *_: "as another version would have it")
    before = (place.out / "report.html").read_bytes()
    answer = auditkit("report", place.out)
    assert answer.code == 2
    assert "the signature covers report.html" in answer.err
    assert (place.out / "report.html").read_bytes() == before
    assert auditkit("report", place.out, "--out", place.root / "elsewhere").code == 0
    assert (place.root / "elsewhere" / "report.html").read_text() == "as another version would have it"
    assert auditkit("report", place.out, "--out", place.root / "elsewhere").code == 2
    assert auditkit("report", place.out, "--out", place.plan).code == 2
    assert place.check().whole


def test_a_signed_audit_that_was_altered_is_not_rendered_over_its_report(auditkit: Cli, place: Place) -> None:
    path = place.out / "audit.json"
    path.write_bytes(path.read_bytes().replace(b'"pass"', b'"fail"'))
    answer = auditkit("report", place.out)
    assert answer.code == 2
    assert "audit.json: was altered since it was signed" in answer.err


def test_an_unsigned_attestation_follows_what_is_rendered_but_covers_up_nothing(
    auditkit: Cli, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = place.root / "unsigned"
    run(place, out)
    monkeypatch.setattr("auditkit.report.render.render", lambda *_: "as another version would have it")
    assert auditkit("report", out, "--format", "html,md").code == 0
    found = place.check(out, key=None)
    assert found.whole, texts(found)
    assert place_reports(out) == ["report.html", "summary.md"]
    (out / "audit.json").write_bytes((out / "audit.json").read_bytes().replace(b"exit", b"exIt", 1))
    assert auditkit("report", out, "--format", "junit").code in (0, 4)
    assert not place.check(out, key=None).whole


def test_without_evidence_none_is_covered(place: Place) -> None:
    place.plan.write_text(place.plan.read_text() + "run: {keep_evidence: false}\n")
    out = place.root / "bare"
    run(place, out, "--sign", str(place.key()))
    assert place.check(out, plan=True).whole
    assert not (out / "evidence").exists()
    (out / "evidence").mkdir()
    (out / "evidence" / "rows.parquet").write_bytes(b"x")
    assert "evidence/rows.parquet: is not covered" in texts(place.check(out))


def test_a_gate_of_predictions_is_attested_too(auditkit: Cli, place: Place) -> None:
    arguments = ["gate", place.root / "test.csv", "--target", "y", "--prediction", "p", "--min", "accuracy=0.5"]
    assert auditkit(*arguments, "--sign", place.key()).code == 2
    answer = auditkit(*arguments, "--out", place.root / "gated", "--sign", place.key())
    assert answer.code == 0
    assert f"signed by key {load_signer(place.key()).key_id}" in answer.out
    assert place.check(place.root / "gated").whole


def test_the_python_api_signs(place: Place) -> None:
    import auditkit

    frame = pd.read_csv(place.root / "test.csv")
    frame["x"] = np.random.default_rng(0).normal(size=len(frame))

    def model(rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(rows["x"] > 0, dtype=float)

    given = {"target": "y", "positive": 1, "inputs": ["x"], "outputs": "probabilities"}
    with pytest.raises(PlanError, match="name it with `out`"):
        auditkit.audit(model, frame, sign=place.key(), **given)
    out = place.root / "live"
    auditkit.audit(model, frame, out=out, sign=place.key(), checks={"explainability": "off"}, **given)
    found = place.check(out)
    assert found.whole, texts(found)
    statement = json.loads(parse_envelope((out / "attestation.json").read_bytes(), "").payload)
    assert [part["file"] for part in statement["predicate"]["data"]] == [None]
    assert not [s for s in statement["subject"] if not s["name"].startswith("run/")]


def test_keys_are_never_overwritten_by_a_race(tmp_path: Path) -> None:
    generate(tmp_path / "a")
    with pytest.raises(PlanError, match="never overwritten"):
        generate(tmp_path / "a")


@pytest.mark.slow
def test_a_swapped_model_is_found(auditkit: Cli, census: Path, tmp_path: Path, place: Place) -> None:
    project = tmp_path / "project"
    shutil.copytree(census, project, ignore=shutil.ignore_patterns("*-*.yaml"))
    plan = project / "audit.yaml"
    edit(plan, ("run: {seed: 0}", "run: {seed: 0, max_rows: 1500}"))
    out = tmp_path / "out"
    auditkit("-q", "run", plan, "--out", out, "--sign", place.key())
    statement = json.loads(parse_envelope((out / "attestation.json").read_bytes(), "").payload)
    found = {s["name"]: s["digest"]["sha256"] for s in statement["subject"] if s["name"].startswith("model/")}
    files = [path for path in (project / "model").rglob("*") if path.is_file()]
    assert found == {f"model/{path.relative_to(project / 'model').as_posix()}": _sha256(path) for path in files}
    audit = json.loads((out / "audit.json").read_text())
    assert statement["predicate"]["model"]["sha256"] == audit["model"]["sha256"] == sha256_tree(project / "model")

    verified = place.check(out)
    assert verified.whole
    command = ["verify", out, "--key", place.root / "ci.pub", "--plan", plan]
    assert f"model: the one that was audited ({len(files)} files)" in auditkit(*command).out
    weights = project / "model" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (project / "model" / "more.json").write_text("{}")
    answer = auditkit(*command)
    assert answer.code == 1
    assert "FAILED  model/model.safetensors: was changed" in answer.out
    assert "FAILED  model/more.json: is new" in answer.out


@pytest.mark.skipif(sys.platform == "darwin", reason="the file systems of macOS take no such names")
def test_files_that_the_plan_names_are_hashed_one_by_one(tmp_path: Path) -> None:
    for name in ("net.py", "m.pt", "words/a.txt", "words/b\udcff.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode("utf-8", "surrogateescape"))
    stated = ModelSpec(kind="torch", path=Path("m.pt"), builder="net.py:make", files=(Path("words"), Path("absent")))
    found = model_files(stated.beside(tmp_path), stated)
    assert found.sha256 == _sha256(tmp_path / "m.pt")
    assert found.files == {"m.pt": found.sha256}
    assert sorted(found.named) == ["net.py", "words/a.txt", "words/b\\xff.txt"]
    assert found.named["net.py"] == _sha256(tmp_path / "net.py")
    assert found.digest != found.sha256
    (tmp_path / "net.py").write_text("other")
    assert model_files(stated.beside(tmp_path), stated).digest != found.digest
    (tmp_path / "words" / "b\\xff.txt").write_text("the same name as text")
    with pytest.raises(InputRefusedError, match="can't be told apart"):
        model_files(stated.beside(tmp_path), stated)


def test_a_manifest_is_that_of_before() -> None:
    """The digest of a directory is fixed: those that `--trust` names must not change."""
    expected = hashlib.sha256(f"a/b\0{'0' * 64}\nc\0{'1' * 64}\n".encode()).hexdigest()
    assert manifest_digest({"a/b": "0" * 64, "c": "1" * 64}) == expected


@pytest.mark.parametrize(
    "loaded", [{"sha256": "1" * 64}, {"trusted": (TrustedFile(path="net.py", sha256="1" * 64, by="code"),)}]
)
def test_a_model_that_changed_between_hash_and_load_is_refused(
    auditkit: Cli, place: Place, monkeypatch: pytest.MonkeyPatch, loaded: dict[str, Any]
) -> None:
    """What the worker loaded is not what was hashed at the start: no audit is written."""
    from auditkit.pipeline import run as running

    perform = running.perform

    def other(*arguments: Any) -> Audit:
        audit = perform(*arguments)
        return audit.model_copy(update={"model": audit.model.model_copy(update={"sha256": "0" * 64, **loaded})})

    monkeypatch.setattr(running, "perform", other)
    monkeypatch.setattr(running, "model_files", lambda *_: ModelFiles("0" * 64, {"m": "0" * 64}))
    answer = auditkit("run", place.plan, "--out", place.root / "new")
    assert answer.code == 4
    assert "changed before it was loaded" in answer.err
    assert not (place.root / "new" / "audit.json").exists()


def test_the_password_stays_with_the_parent() -> None:
    assert PASSWORD_VARIABLE not in scrubbed_environment({PASSWORD_VARIABLE: "secret", "PATH": "/bin"}, "/home")


def test_verify_runs_no_model_and_keys_are_imported_when_used(place: Place) -> None:
    def modules(*arguments: str) -> set[str]:
        code = f"import json, sys\nfrom auditkit.cli.main import main\nassert main({list(arguments)!r}) == 0"
        script = f"{code}\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return set(json.loads(done.stderr.splitlines()[-1]))

    heavy = {"torch", "transformers", "captum", "sklearn", "fairlearn"}
    assert not heavy & modules("verify", str(place.out), "--key", str(place.root / "ci.pub"), "--plan", str(place.plan))
    loaded = modules("verify", str(place.out))
    assert not (heavy | {"cryptography"}) & loaded


def test_a_directory_that_can_not_be_listed_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("auditkit.pipeline.attest.files.os.scandir", denied)
    with pytest.raises(InputRefusedError, match="can't be read"):
        place.check()


def test_what_was_trusted_is_attested(auditkit: Cli, place: Place) -> None:
    code = place.root / "model.py"
    code.write_text(
        "from pathlib import Path\n\ndef predict(rows):\n    return (rows['x'] > 0).to_numpy(dtype=float)\n"
    )
    (place.root / "words.txt").write_text("a")
    frame = pd.read_csv(place.root / "test.csv").drop(columns="p")
    frame["x"] = np.random.default_rng(0).normal(size=len(frame))
    frame.to_csv(place.root / "test.csv", index=False)
    edit(
        place.plan,
        (
            "{kind: predictions, prediction: p}",
            "{kind: python, path: model.py, files: [words.txt], outputs: probabilities}",
        ),
        ("min: 0.8", "min: 0.1"),
    )
    out, words = place.root / "trusted", f"sha256:{_sha256(place.root / 'words.txt')}"
    answer = auditkit("run", place.plan, "--out", out, "--sign", place.key(), "--trust-code", "--trust", words)
    assert answer.code == 0, answer.text
    statement = json.loads(parse_envelope((out / "attestation.json").read_bytes(), "").payload)
    assert statement["predicate"]["trusted"] == [
        {"path": "model.py", "sha256": _sha256(code), "by": "code"},
        {"path": "words.txt", "sha256": words.removeprefix("sha256:"), "by": "digest"},
    ]
    names = {subject["name"] for subject in statement["subject"]}
    assert {"model/model.py", "named/words.txt"} <= names
    assert place.check(out, plan=True).whole
    (place.root / "words.txt").write_text("b")
    assert texts(place.check(out, plan=True)) == "words.txt: was changed"


@pytest.mark.skipif(sys.platform == "darwin", reason="the file systems of macOS take no such names")
def test_a_plan_whose_name_is_no_text(auditkit: Cli, place: Place) -> None:
    plan = Path(os.fsdecode(os.fsencode(place.root) + b"/pl\xff.yaml"))
    shutil.copy(place.plan, plan)
    out = place.root / "named"
    assert auditkit("run", plan, "--out", out).code == 0
    statement = json.loads(parse_envelope((out / "attestation.json").read_bytes(), "").payload)
    assert statement["predicate"]["plan"]["file"] == "pl\\xff.yaml"
    assert place.check(out, key=None, plan=True).whole

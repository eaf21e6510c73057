"""Whoever alters a finished audit: each way is tried, and found where the audit was signed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.pipeline.attest.dsse import Envelope
from auditkit.pipeline.attest.keys import load_signer
from auditkit.pipeline.journal import Journal
from tests.conftest import Answer, edit
from tests.pipeline.attested import Place, encoded, make_place, run, sigless, texts

Cli = Callable[..., Answer]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("tampering"))


@pytest.fixture
def place(original: Place, tmp_path: Path) -> Place:
    return original.copy(tmp_path / "place")


def _swap(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def _lines(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def _verdict(out: Path) -> None:
    _swap(out / "audit.json", b'"verdict": "pass"', b'"verdict": "fail"')


def _html(out: Path) -> None:
    _swap(out / "report.html", b"</main>", b"<b>This model fails.</b></main>")


def _added_event(out: Path) -> None:
    journal = Journal(out / "journal.jsonl")
    journal.record("end", verdict="pass", exit_code=0)
    journal.close()


def _other_chain(out: Path) -> None:
    (out / "journal.jsonl").unlink()
    journal = Journal(out / "journal.jsonl")
    for _ in range(16):
        journal.record("check")
    journal.record("end")
    journal.close()


def _link(out: Path) -> None:
    shutil.copy(out / "report.html", out.parent / "report.html")
    (out / "report.html").unlink()
    (out / "report.html").symlink_to(out.parent / "report.html")


def _linked_folder(out: Path) -> None:
    (out / "evidence").rename(out.parent / "evidence")
    (out / "evidence").symlink_to(out.parent / "evidence")


def _fifo(out: Path) -> None:
    (out / "report.html").unlink()
    os.mkfifo(out / "report.html")


def _folder(out: Path) -> None:
    (out / "report.html").unlink()
    (out / "report.html").mkdir()


#: What is done, and words of what is said of it.
WAYS: dict[str, tuple[Callable[[Path], object], str]] = {
    "verdict edited": (_verdict, "audit.json: was changed"),
    "HTML edited": (_html, "report.html: was changed"),
    "HTML removed": (lambda out: (out / "report.html").unlink(), "report.html: is gone"),
    "audit removed": (lambda out: (out / "audit.json").unlink(), "audit.json: is gone"),
    "evidence edited": (
        lambda out: _swap(out / "evidence" / "rows.parquet", b"PAR1", b"PAR2"),
        "evidence/rows.parquet: was changed",
    ),
    "evidence removed": (
        lambda out: (out / "evidence" / "predictions.parquet").unlink(),
        "evidence/predictions.parquet: is gone",
    ),
    "all evidence removed": (lambda out: shutil.rmtree(out / "evidence"), "evidence/.checks/bias.data.json: is gone"),
    "journal: line dropped": (
        lambda out: _lines(out / "journal.jsonl", lambda x: x[:3] + x[4:]),
        "only the first 3 of",
    ),
    "journal: lines swapped": (
        lambda out: _lines(out / "journal.jsonl", lambda x: [*x[:2], x[3], x[2], *x[4:]]),
        "only the first 2 of",
    ),
    "journal: line edited": (
        lambda out: _lines(out / "journal.jsonl", lambda x: [x[0], x[1].replace(b":", b": ", 1), *x[2:]]),
        "journal.jsonl: was changed",
    ),
    "journal: tail cut": (lambda out: _lines(out / "journal.jsonl", lambda x: x[:-1]), "only the first"),
    "journal: torn": (lambda out: _lines(out / "journal.jsonl", lambda x: [*x[:-1], x[-1][:-9]]), "only the first"),
    "journal: emptied": (lambda out: (out / "journal.jsonl").write_bytes(b""), "journal.jsonl: was changed"),
    "journal: removed": (lambda out: (out / "journal.jsonl").unlink(), "journal.jsonl: is gone"),
    "journal: line added": (_added_event, "goes on for 1 more line"),
    "journal: written anew": (_other_chain, "others than the attested ones"),
    "attestation removed": (lambda out: (out / "attestation.json").unlink(), "it was removed, or the run was killed"),
    "file added": (lambda out: (out / "notes.html").write_text("PASS"), "notes.html: is not covered"),
    "hidden file added": (lambda out: (out / ".x").write_text("x"), ".x: is not covered"),
    "evidence added": (
        lambda out: (out / "evidence" / "shadow.parquet").write_text("x"),
        "evidence/shadow.parquet: is not covered",
    ),
    "report of another format added": (
        lambda out: (out / "summary.md").write_text("PASS"),
        "summary.md: is not covered, and not what",
    ),
    "link in place of a report": (_link, "report.html: is a link"),
    "link in place of the evidence": (_linked_folder, "evidence: is not covered"),
    "link added": (lambda out: (out / "x").symlink_to("/etc/passwd"), "x: is not covered"),
    "pipe in place of a report": (_fifo, "report.html: is no regular file"),
    "directory in place of a report": (_folder, "report.html: is no regular file"),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_alteration_is_found(place: Place, way: str) -> None:
    change, words = WAYS[way]
    assert place.check().whole
    change(place.out)
    found = place.check()
    assert not found.whole
    assert words in texts(found)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "attestation removed"])
def test_an_accident_is_found_without_a_signature(place: Place, way: str) -> None:
    sigless(place.out / "attestation.json")
    WAYS[way][0](place.out)
    assert not place.check(key=None).whole


def test_the_command_line_answers_1(auditkit: Cli, place: Place) -> None:
    _verdict(place.out)
    answer = auditkit("verify", place.out, "--key", place.root / "ci.pub")
    assert answer.code == 1
    assert "FAILED  audit.json: was changed" in answer.out
    assert answer.out.rstrip().endswith("NOT VERIFIED")


def test_any_changed_byte_of_a_covered_file_is_found(place: Place) -> None:
    """The first, the last and random bytes of each file, each changed to a random other value."""
    rng = random.Random(0)
    names = [s["name"].removeprefix("run/") for s in place.statement()["subject"] if s["name"].startswith("run/")]
    assert len(names) > 10
    for name in names:
        path = place.out / name
        content = path.read_bytes()
        for position in (0, len(content) - 1, *(rng.randrange(len(content)) for _ in range(4))):
            changed = bytearray(content)
            changed[position] ^= rng.randrange(1, 256)
            path.write_bytes(changed)
            assert name in texts(place.check()), (name, position)
        path.write_bytes(content)
    assert place.check().whole


def test_any_changed_byte_of_the_attestation_is_found_or_changes_nothing(place: Place) -> None:
    """White space and the hint of a key id may differ; what is said, and by whom, may not."""
    rng = random.Random(0)
    path = place.out / "attestation.json"
    content, payload = path.read_bytes(), place.envelope().payload
    harmless = 0
    for position in {*rng.sample(range(len(content)), 500), *range(len(content) - 250, len(content))}:
        changed = bytearray(content)
        changed[position] ^= rng.randrange(1, 256)
        path.write_bytes(changed)
        try:
            found = place.check()
        except InputRefusedError:
            continue
        if found.whole:
            harmless += 1
            assert place.envelope().payload == payload
            assert found.signed_by == load_signer(place.key()).key_id
    assert harmless < 150  # the key id and white space


def test_a_forger_without_the_key_gets_past_those_who_have_no_key_either(place: Place) -> None:
    """What a missing signature means: the altered audit comes with an attestation of its own."""
    _verdict(place.out)
    statement = place.statement()
    digest = hashlib.sha256((place.out / "audit.json").read_bytes()).hexdigest()
    next(s for s in statement["subject"] if s["name"] == "run/audit.json")["digest"]["sha256"] = digest
    statement["predicate"]["verdict"] = "fail"
    place.attest(statement, key=None)
    assert place.check(key=None).whole
    assert place.check(key=None).signed_by is None
    assert not place.check().whole
    place.attest(statement, key="other")
    assert place.check(key=None).signed_by is None
    found = place.check()
    assert not found.whole
    assert "none by key" in texts(found)
    assert place.check(key="other").whole  # who trusts that key, trusts this audit


def test_an_attestation_of_another_run_does_not_fit(place: Place) -> None:
    """Same plan, same data, same verdict: another run all the same."""
    run(place, place.root / "again", "--sign", str(place.key()))
    shutil.copy(place.root / "again" / "attestation.json", place.out / "attestation.json")
    found = place.check()
    assert not found.whole
    assert "audit.json: was changed" in texts(found)


def test_a_whole_old_directory_is_genuine_and_told_from_a_new_one_by_plan_and_run(auditkit: Cli, place: Place) -> None:
    old = place.statement()["predicate"]["run"]["id"]
    (place.root / "test.csv").write_text((place.root / "test.csv").read_text().replace("0,0,a", "0,1,a"))
    assert place.check().whole
    answer = auditkit("verify", place.out, "--key", place.root / "ci.pub", "--plan", place.plan)
    assert answer.code == 1
    assert old in answer.out
    assert "data/test: is not the file that was audited" in answer.out
    (place.root / "test.csv").unlink()
    assert "data/test: can't be read any more" in texts(place.check(plan=True))
    os.mkfifo(place.root / "test.csv")
    assert "data/test: can't be read any more" in texts(place.check(plan=True))


def test_another_plan_is_not_the_one_that_was_audited(place: Place) -> None:
    edit(place.plan, ("min: 0.8", "min: 0.7"))
    assert texts(place.check(plan=True)) == "plan: is not the text that was audited"
    edit(place.plan, ("{test: test.csv}", "{test: test.csv, train: other.csv}"))
    assert "data/train: was not part of the audit" in texts(place.check(plan=True))


def test_signatures_of_others_beside_ours(place: Place) -> None:
    envelope = place.envelope()
    path = place.out / "attestation.json"
    other = load_signer(place.key("other"))
    path.write_bytes(Envelope(envelope.payload).signed(other).to_json())
    assert not place.check().whole
    both = Envelope(envelope.payload).signed(other).signed(load_signer(place.key()))
    path.write_bytes(both.to_json())
    assert place.check().whole
    tree = json.loads(path.read_text())
    tree["signatures"][0]["sig"] = encoded(bytes(64))  # a broken one beside it takes nothing away
    path.write_text(json.dumps(tree))
    assert place.check().whole


def test_a_key_id_that_lies_decides_nothing(auditkit: Cli, place: Place) -> None:
    path = place.out / "attestation.json"
    ours = load_signer(place.key()).key_id
    tree = json.loads(path.read_text())
    tree["signatures"][0]["keyid"] = load_signer(place.key("other")).key_id
    path.write_text(json.dumps(tree))
    answer = auditkit("verify", place.out, "--key", place.root / "ci.pub")
    assert answer.code == 0
    assert "it names another key" in answer.out
    assert f"signed by key {ours}" in answer.out
    forged = Envelope(place.envelope().payload + b" ").signed(load_signer(place.key("other"))).to_json()
    path.write_bytes(forged.replace(load_signer(place.key("other")).key_id.encode(), ours.encode()))
    assert not place.check().whole


def test_only_the_encoding_of_the_protocol_is_a_signed_message(place: Place) -> None:
    """A signature of the bare payload, and one whose bytes could be cut into type and payload elsewhere."""
    signer, payload = load_signer(place.key()), place.envelope().payload
    path = place.out / "attestation.json"
    tree = json.loads(path.read_text())

    def put(signature: bytes, kind: str = "application/vnd.in-toto+json") -> None:
        tree["signatures"][0]["sig"], tree["payloadType"] = encoded(signature), kind
        path.write_text(json.dumps(tree))

    put(signer.sign(payload))
    assert not place.check().whole
    put(signer.sign(b"application/vnd.in-toto+json" + payload))
    assert not place.check().whole
    moved = Envelope(b"n " + payload, "application/vnd.in-toto+jso").message
    put(signer.sign(moved))
    assert not place.check().whole
    put(signer.sign(Envelope(payload).message), "application/vnd.other+json")
    assert not place.check().whole


def test_a_payload_of_another_type_is_refused_though_signed(place: Place) -> None:
    place.attest(place.statement(), kind="application/vnd.other+json")
    with pytest.raises(InputRefusedError, match=r"of the type 'application/vnd\.other"):
        place.check()


def test_words_that_names_carry_can_not_forge_lines(auditkit: Cli, place: Place) -> None:
    (place.out / "x\nverified: nothing was altered").write_text("")
    (place.out / "::error::\x1b[2J").write_text("")
    answer = auditkit("verify", place.out, "--key", place.root / "ci.pub")
    assert answer.code == 1
    assert not any(line.startswith("verified") for line in answer.out.splitlines())
    assert "\x1b" not in answer.out
    assert "::error::" not in answer.out


def test_a_run_directory_that_is_a_link_is_looked_into(place: Place) -> None:
    """Whoever names a link means what it leads to; only links inside are not auditkit's."""
    (place.root / "latest").symlink_to("out")
    assert place.check(place.root / "latest").whole


def test_an_attestation_behind_a_link_is_not_read(place: Place) -> None:
    (place.out / "attestation.json").rename(place.root / "attestation.json")
    (place.out / "attestation.json").symlink_to(place.root / "attestation.json")
    assert "attestation.json is a link" in texts(place.check())

"""`attestation.json` as hostile bytes: every one is refused with one message, or found wrong; none is a traceback."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditkit.core.errors import InputRefusedError
from auditkit.pipeline.attest.dsse import MAX_BYTES, parse_envelope
from auditkit.pipeline.attest.statement import parse_statement
from tests.conftest import Answer
from tests.pipeline.attested import Place, encoded, make_place

Cli = Callable[..., Answer]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("attestations"))


GOOD = {"payload": encoded(b"{}"), "payloadType": "application/vnd.in-toto+json", "signatures": []}


def _with(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


ENVELOPES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not valid JSON"),
    "no JSON": (b"\x80\x04K\x01.", "not valid JSON"),
    "a list": (b"[]", "no DSSE envelope"),
    "a number": (b"1", "no DSSE envelope"),
    "NaN": (b'{"payload": NaN}', "NaN"),
    "nested": (b"[" * 200_000, "nested"),
    "many digits": (b'{"payload": ' + b"9" * 5000 + b"}", "not valid JSON"),
    "a key twice": (b'{"payload": "e30=", "payload": "e30="}', "twice"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), "not valid JSON"),
    "no payload": (json.dumps({"payloadType": "x"}).encode(), "`payload` is no base64"),
    "payload is a number": (_with(payload=1), "`payload` is no base64"),
    "payload is a list": (_with(payload=["e30="]), "`payload` is no base64"),
    "payload is no base64": (_with(payload="e3 0="), "`payload` is no base64"),
    "payload has no padding": (_with(payload="e30"), "`payload` is no base64"),
    "payload in another spelling": (_with(payload="e31="), "canonical"),
    "payload is no ASCII": (_with(payload="é"), "`payload` is no base64"),
    "type is a number": (_with(payloadType=1), "`payloadType`"),
    "type has surrogates": (_with(payloadType="\ud800"), "`payloadType`"),
    "signatures are an object": (_with(signatures={}), "no list"),
    "too many signatures": (_with(signatures=[{"sig": "AA=="}] * 33), "at most 32"),
    "a signature is text": (_with(signatures=["AA=="]), "signatures[0]"),
    "a signature has no sig": (_with(signatures=[{"keyid": "x"}]), "signatures[0]"),
    "a key id is a number": (_with(signatures=[{"sig": "AA==", "keyid": 1}]), "signatures[0]"),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_envelope_that_is_none(auditkit: Cli, place: Place, name: str) -> None:
    content, words = ENVELOPES[name]
    path = place.out / "attestation.json"
    before = path.read_bytes()
    path.write_bytes(content)
    answer = auditkit("verify", place.out)
    path.write_bytes(before)
    assert answer.code == 4
    assert words in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_huge_file_is_refused_unread(place: Place, tmp_path: Path) -> None:
    with (tmp_path / "attestation.json").open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(InputRefusedError, match="larger than"):
        place.check(tmp_path)


@pytest.mark.parametrize("signature", ["", "AA==", encoded(bytes(64)), encoded(bytes(65)), encoded(bytes(4096))])
def test_a_signature_of_any_length_is_tried_or_passed_over(place: Place, signature: str) -> None:
    path = place.out / "attestation.json"
    before = path.read_bytes()
    path.write_bytes(json.dumps({**json.loads(before), "signatures": [{"sig": signature}]}).encode())
    found = place.check()
    path.write_bytes(before)
    assert not found.whole


def test_the_urlsafe_alphabet_is_read(place: Place) -> None:
    import base64

    content = bytes(range(256))
    text = base64.urlsafe_b64encode(content).decode()
    assert "-" in text
    assert "_" in text
    assert parse_envelope(_with(payload=text), "x").payload == content


def _without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda statement: statement.pop(key)


def _named(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda statement: statement["subject"].append({"name": name, "digest": {"sha256": "0" * 64}})


def _said(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda statement: statement["predicate"].update(changes)


def _digest(**digests: str) -> Callable[[dict[str, Any]], object]:
    return lambda statement: statement["subject"][0].update(digest=digests)


STATEMENTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no subject at all": (lambda s: s.update(subject=[]), "covers no audit.json"),
    "no subjects key": (_without("subject"), "subject"),
    "only the report": (lambda s: s.update(subject=s["subject"][-3:-2]), "covers no audit.json"),
    "no journal": (
        lambda s: s.update(subject=[x for x in s["subject"] if x["name"] != "run/journal.jsonl"]),
        "covers no journal.jsonl",
    ),
    "one subject twice": (_named("run/audit.json"), "two subjects"),
    "up": (_named("run/../../etc/passwd"), "leads out"),
    "up at the end": (_named("run/evidence/.."), "leads out"),
    "here": (_named("run/./audit.json"), "leads out"),
    "absolute": (_named("run//etc/passwd"), "leads out"),
    "absolute without a prefix": (_named("/etc/passwd"), "has the name"),
    "NUL": (_named("run/a\0b"), "leads out"),
    "no prefix": (_named("audit.json"), "has the name"),
    "no name": (_named(""), "subject"),
    "only a prefix": (_named("run/"), "has the name"),
    "another algorithm alone": (_digest(sha512="0" * 128), "sha256"),
    "a digest in capitals": (_digest(sha256="A" * 64), "sha256"),
    "a short digest": (_digest(sha256="0" * 63), "sha256"),
    "a digest with a line break": (_digest(sha256="0" * 64 + "\n"), "sha256"),
    "another statement": (lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), "_type"),
    "another predicate": (lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"), "predicateType"),
    "no predicate": (_without("predicate"), "predicate"),
    "predicate is a list": (lambda s: s.update(predicate=[]), "predicate"),
    "exit code is text": (_said(exit_code="0"), "exit_code"),
    "exit code is true": (_said(exit_code=True), "exit_code"),
    "gates are an object": (_said(gates={}), "gates"),
    "an infinite value": (_said(gates=[{"id": "a", "check": "b", "metric": "c", "status": "d", "value": 1e999}]), ""),
    "journal without lines": (_said(journal={"head": "0" * 64, "lines": 0, "bytes": 1}), "lines"),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_signed_statement_that_is_no_attestation_of_an_audit(auditkit: Cli, place: Place, name: str) -> None:
    change, words = STATEMENTS[name]
    path = place.out / "attestation.json"
    before = path.read_bytes()
    statement = copy.deepcopy(place.statement())
    change(statement)
    place.attest(statement)
    answer = auditkit("verify", place.out, "--key", place.root / "ci.pub")
    path.write_bytes(before)
    assert answer.code == 4, answer.text
    assert words in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "fail"},
        {"exit_code": 1},
        {"run": {"id": "another", "started": "", "finished": "", "resumed": False}},
        {"journal": {"head": "0" * 64, "lines": 3, "bytes": 1}},
        {"journal": {"head": "0" * 64, "lines": 10**30, "bytes": 1}},
    ],
)
def test_a_signed_statement_that_contradicts_what_it_covers(place: Place, changes: dict[str, Any]) -> None:
    path = place.out / "attestation.json"
    before = path.read_bytes()
    statement = place.statement()
    statement["predicate"].update(changes)
    place.attest(statement)
    found = place.check()
    path.write_bytes(before)
    assert not found.whole


def test_what_a_later_version_adds_is_passed_over(place: Place) -> None:
    path = place.out / "attestation.json"
    before = path.read_bytes()
    statement = place.statement()
    statement["later"] = {"x": 1}
    statement["predicate"]["later"] = [1]
    statement["subject"][0]["annotations"] = {"x": 1}
    statement["subject"][0]["digest"]["sha512"] = "0" * 128
    place.attest(statement)
    found = place.check()
    path.write_bytes(before)
    assert found.whole


def test_names_of_other_inputs_are_never_opened(place: Place) -> None:
    """They may look like anything: a split can be called `../x`."""
    path = place.out / "attestation.json"
    before = path.read_bytes()
    statement = place.statement()
    for name in ("data/../../etc/passwd", "model//etc/passwd", "named/../x", "plan/..\\x"):
        statement["subject"].append({"name": name, "digest": {"sha256": "0" * 64}})
    place.attest(statement)
    found = place.check()
    path.write_bytes(before)
    assert found.whole


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("e30="),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
_KEYS = st.sampled_from(["payload", "payloadType", "signatures", "_type", "subject", "predicate", "predicateType", "x"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=st.dictionaries(_KEYS, _VALUES, max_size=8))
def test_any_json_is_parsed_or_refused(tree: dict[str, Any]) -> None:
    content = json.dumps(tree).encode()
    with contextlib.suppress(InputRefusedError):
        parse_envelope(content, "x")
    with pytest.raises(InputRefusedError, match=r"^x: "):
        parse_statement(content, "x")


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(content: bytes) -> None:
    for parse in (parse_envelope, parse_statement):
        with pytest.raises(InputRefusedError):
            parse(content, "x")

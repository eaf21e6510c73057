"""What vouches for something: attestations, keys, lists of trusted digests."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import tempfile
from pathlib import Path
from typing import Any

from auditkit.cli.main import main
from auditkit.models.trust_file import read_trust_file
from auditkit.pipeline.attest.dsse import Envelope, parse_envelope
from auditkit.pipeline.attest.keys import generate, load_signer, load_verifier
from auditkit.pipeline.attest.verify import verify
from tests.fuzz.mutators import json_mutation, mutate_lines
from tests.fuzz.target import Target
from tests.fuzz.targets.rows import texts

_ATTESTATION = "attestation.json"


@functools.cache
def _run() -> dict[str, bytes]:
    """The files of one finished, signed run, and its keys."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        generate(root / "k")
        (root / "p.csv").write_bytes(texts(",")[0])
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            arguments = ["--target=y", "--prediction=p", "--min=accuracy=0.01", "--format=md", f"--out={root / 'out'}"]
            code = main(["-q", "gate", str(root / "p.csv"), *arguments])
            assert code in (0, 5), code
        files = {path.relative_to(root / "out"): path for path in sorted((root / "out").rglob("*")) if path.is_file()}
        found = {str(inner): path.read_bytes() for inner, path in files.items()}
        envelope = parse_envelope(found[_ATTESTATION], _ATTESTATION).signed(load_signer(root / "k.key"))
        found[_ATTESTATION] = envelope.to_json()
        return found | {"k.pub": (root / "k.pub").read_bytes(), "k.key": (root / "k.key").read_bytes()}


def _lay_out(folder: Path, attestation: bytes) -> None:
    for name, content in _run().items():
        path = folder / "out" / name if not name.startswith("k.") else folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "out" / _ATTESTATION).write_bytes(attestation)


def _envelope(data: bytes, folder: Path) -> None:
    """Whatever stands there: it is vouched for only where it says what was signed."""
    _lay_out(folder, data)
    verifier = load_verifier(folder / "k.pub")
    verified = verify(folder / "out", verifier)
    signed = parse_envelope(_run()[_ATTESTATION], "")
    if verified.whole:
        assert verified.signed_by is not None
        assert parse_envelope(data, "").payload == signed.payload, "an altered statement was vouched for"


def _statement(data: bytes, folder: Path) -> None:
    """An unsigned statement of anybody's: read, compared with the files, never followed out of the directory."""
    _lay_out(folder, Envelope(data).to_json())
    verified = verify(folder / "out")
    assert verified.signed_by is None


def _payload() -> bytes:
    return parse_envelope(_run()[_ATTESTATION], "").payload


def _key_file(data: bytes, folder: Path) -> None:
    (folder / "k").write_bytes(data)
    load = load_signer if b"PRIVATE" in data else load_verifier
    load(folder / "k")


def _keys() -> list[bytes]:
    return [_run()["k.pub"], _run()["k.key"]]


def _trust_list(data: bytes, folder: Path) -> None:
    (folder / "trusted").write_bytes(data)
    for digest in read_trust_file(folder / "trusted"):
        assert len(digest) == 64, digest
        assert digest.encode() in data.lower(), "a digest that the file does not name"


def _trust_lists() -> list[bytes]:
    return [f"# ours\nsha256:{'a' * 64} model.pkl\n\nsha256:{'0123456789ABCDEF' * 4}\n".encode()]


_WORDS: tuple[Any, ...] = (
    "run/audit.json", "run/../x", "run//etc/passwd", "model/x", "plan/plan", "data/test", "run/journal.jsonl", "0" * 64,
    "https://in-toto.io/Statement/v1", "pass", "fail", 0, 5, "application/vnd.in-toto+json", "", "AAAA", "run/",
    "run/.",
)  # fmt: skip
_PARTS = ("auditkit.pipeline.attest", "auditkit.models.reading")
TARGETS = (
    Target(
        name="envelope",
        about="`attestation.json`, verified with a key",
        run=_envelope,
        seeds=lambda: [_run()[_ATTESTATION]],
        traced=_PARTS,
        mutate=json_mutation(_WORDS),
        tokens=(b"=", b"-", b"_", b'"', json.dumps({"payload": ""}).encode()),
    ),
    Target(
        name="statement",
        about="the statement in it, unsigned, verified without a key",
        run=_statement,
        seeds=lambda: [_payload()],
        traced=_PARTS,
        mutate=json_mutation(_WORDS),
        tokens=(b"run/", b"../", b"null"),
    ),
    Target(
        name="key-file",
        about="keys in PEM files",
        run=_key_file,
        seeds=_keys,
        traced=("auditkit.pipeline.attest.keys",),
        mutate=mutate_lines,
        tokens=(
            b"-----BEGIN ",
            b"-----END ",
            b"RSA ",
            b"EC ",
            b"ENCRYPTED ",
            b"OPENSSH ",
            b"PUBLIC KEY-----",
            b"PRIVATE KEY-----",
        ),
        codes=frozenset({2}),
    ),
    Target(
        name="trust-file",
        about="the list of `--trust-file`",
        run=_trust_list,
        seeds=_trust_lists,
        traced=("auditkit.models.trust_file",),
        mutate=mutate_lines,
        tokens=(
            b"sha256:",
            b"#",
            b" ",
            b"\t",
            b"\r",
            b"\xef\xbb\xbf",
            b"\x00",
            b"SHA256:",
            b"\xc2\xa0",
            b"\xe2\x80\xa8",
        ),
        codes=frozenset({2}),
    ),
)

"""DSSE envelopes, version 1: a payload, its type, and signatures over both.

Source: github.com/secure-systems-lab/dsse, protocol.md (PAE, verification) and envelope.md (the JSON form).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, replace
from typing import Any

from auditkit.core.errors import InputRefusedError
from auditkit.models.reading import parse_json
from auditkit.pipeline.attest.keys import Signer, Verifier

PAYLOAD_TYPE = "application/vnd.in-toto+json"
#: A larger file is refused before it is read, an envelope with more signatures before one of them is tried.
MAX_BYTES = 64_000_000
MAX_SIGNATURES = 32
_SIGNATURE_BYTES = 64


@dataclass(frozen=True)
class Signature:
    """One signature. `key_id` is what the file claims: a hint that nobody vouches for, and that decides nothing."""

    signature: bytes
    key_id: str = ""


@dataclass(frozen=True)
class Envelope:
    """A payload with its type and the signatures over them; none where it was never signed."""

    payload: bytes
    payload_type: str = PAYLOAD_TYPE
    signatures: tuple[Signature, ...] = ()

    @property
    def message(self) -> bytes:
        """What is signed: the type and the payload, each with its length before it, so that neither can pass for the
        other (pre-authentication encoding, PAE)."""
        kind = self.payload_type.encode("utf-8")
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    def signed(self, signer: Signer) -> Envelope:
        """The same with one more signature."""
        return replace(self, signatures=(*self.signatures, Signature(signer.sign(self.message), signer.key_id)))

    def signature_of(self, verifier: Verifier) -> Signature | None:
        """The first signature that this key made, whatever key id it claims; None where there is none."""
        message = self.message
        for found in self.signatures:
            if len(found.signature) == _SIGNATURE_BYTES and verifier.accepts(found.signature, message):
                return found
        return None

    def to_json(self) -> bytes:
        """The JSON envelope."""
        signatures = [
            {"keyid": found.key_id, "sig": base64.b64encode(found.signature).decode("ascii")}
            for found in self.signatures
        ]
        payload = base64.b64encode(self.payload).decode("ascii")
        tree = {"payload": payload, "payloadType": self.payload_type, "signatures": signatures}
        return json.dumps(tree, indent=1).encode("ascii") + b"\n"


def parse_envelope(content: bytes, where: str) -> Envelope:
    """Read a JSON envelope. Unknown keys are ignored, as the specification has it; a list without signatures is read.

    Raises `InputRefusedError` that starts with `where` for anything else: no JSON, a key that stands there twice, a
    wrong type, base64 that is none, too many signatures.
    """
    tree = parse_json(content, where)
    if not isinstance(tree, dict):
        raise InputRefusedError(f"{where}: is no DSSE envelope (a JSON object)")
    kind, signatures = tree.get("payloadType"), tree.get("signatures", [])
    if not isinstance(kind, str) or not kind.isascii():
        raise InputRefusedError(f"{where}: `payloadType` is no text")
    if not isinstance(signatures, list) or len(signatures) > MAX_SIGNATURES:
        raise InputRefusedError(f"{where}: `signatures` is no list of at most {MAX_SIGNATURES}")
    found = tuple(_signature(item, f"{where}: `signatures[{index}]`") for index, item in enumerate(signatures))
    return Envelope(_decoded(tree.get("payload"), f"{where}: `payload`"), kind, found)


def _signature(item: Any, where: str) -> Signature:
    if not isinstance(item, dict) or not isinstance(item.get("keyid", ""), str):
        raise InputRefusedError(f"{where} is no object with `sig` and the text `keyid`")
    return Signature(_decoded(item.get("sig"), f"{where}.sig"), item.get("keyid", ""))


def _decoded(text: Any, where: str) -> bytes:
    """Base64, standard or URL-safe, in its one canonical spelling."""
    if not isinstance(text, str) or not text.isascii():
        raise InputRefusedError(f"{where} is no base64 text")
    urlsafe = "-" in text or "_" in text
    try:
        content = base64.b64decode(text, altchars=b"-_" if urlsafe else None, validate=True)
    except (binascii.Error, ValueError):
        raise InputRefusedError(f"{where} is no base64 text") from None
    again = base64.urlsafe_b64encode(content) if urlsafe else base64.b64encode(content)
    if again.decode("ascii") != text:
        raise InputRefusedError(f"{where} is not base64 in its canonical spelling")
    return content

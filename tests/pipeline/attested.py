"""Small attested runs for tests: a file of predictions, a plan, keys."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditkit.cli.main import main
from auditkit.pipeline.attest.dsse import Envelope, parse_envelope
from auditkit.pipeline.attest.keys import generate, load_signer, load_verifier
from auditkit.pipeline.attest.verify import Verification, verify
from auditkit.pipeline.load import load_plan
from tests.pipeline.test_exit_codes import ACCURACY, write


@dataclass(frozen=True)
class Place:
    """A directory with `plan.yaml`, `test.csv`, two key pairs `ci` and `other`, and finished runs."""

    root: Path

    @property
    def out(self) -> Path:
        """The signed run."""
        return self.root / "out"

    @property
    def plan(self) -> Path:
        """The plan of all runs."""
        return self.root / "plan.yaml"

    def key(self, name: str = "ci") -> Path:
        """A private key."""
        return self.root / f"{name}.key"

    def check(self, out: Path | None = None, *, key: str | None = "ci", plan: bool = False) -> Verification:
        """What `verify` finds."""
        verifier = None if key is None else load_verifier(self.root / f"{key}.pub")
        return verify(out or self.out, verifier, load_plan(self.plan) if plan else None)

    def envelope(self) -> Envelope:
        """The attestation of the signed run."""
        path = self.out / "attestation.json"
        return parse_envelope(path.read_bytes(), str(path))

    def statement(self) -> dict[str, Any]:
        """The statement in it."""
        parsed: dict[str, Any] = json.loads(self.envelope().payload)
        return parsed

    def attest(self, statement: dict[str, Any], key: str | None = "ci", kind: str | None = None) -> None:
        """Put another statement in its place, signed by that key."""
        envelope = Envelope(json.dumps(statement).encode(), *([] if kind is None else [kind]))
        if key is not None:
            envelope = envelope.signed(load_signer(self.key(key)))
        (self.out / "attestation.json").write_bytes(envelope.to_json())

    def copy(self, to: Path) -> Place:
        """All of it elsewhere."""
        shutil.copytree(self.root, to, symlinks=True)
        return Place(to)


def make_place(root: Path, *options: str) -> Place:
    """Keys, data, plan, and one run signed by `ci`."""
    write(root, ACCURACY % 0.8)
    generate(root / "ci")
    generate(root / "other")
    place = Place(root)
    run(place, place.out, "--sign", str(place.key()), *options)
    return place


def run(place: Place, out: Path, *options: str) -> None:
    """One more run of the plan."""
    assert main(["-q", "run", str(place.plan), "--out", str(out), *options]) == 0


def texts(found: Verification) -> str:
    """Every line that failed."""
    return "\n".join(f"{line.what}: {line.text}" for line in found.lines if line.outcome.value == "FAILED")


def sigless(path: Path) -> None:
    """Take the signatures out of an attestation."""
    tree = json.loads(path.read_text())
    tree["signatures"] = []
    path.write_text(json.dumps(tree))


def encoded(content: bytes) -> str:
    """Base64."""
    return base64.b64encode(content).decode()

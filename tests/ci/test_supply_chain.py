"""What a release is made of: everything pinned, everything by hash, nothing that is known to be broken."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent.parent
LOCKS = ("requirements.lock", ".ci/release.lock")

#: Below these, reading a hostile file can run code or corrupt memory, whatever we check before.
KNOWN_BAD = {
    "torch": ("2.10.0", "CVE-2025-32434 and CVE-2026-24747: torch.load(weights_only=True) can be made to run code"),
    "skops": ("0.13.0", "CVE-2025-54412, -54413, -54886: loading runs code of types that were not trusted"),
    "pillow": ("11.3.0", "CVE-2025-48379: a heap overflow while an image is written"),
    "pyarrow": ("14.0.1", "CVE-2023-47248: reading a file runs code"),
    "jinja2": ("3.1.6", "CVE-2025-27516: the sandbox can be left"),
}


def _locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by package."""
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text(encoding="utf-8"))
    found: dict[str, tuple[str, list[str]]] = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        requirement = Requirement(line.partition("--hash")[0])
        (pin,) = requirement.specifier
        assert pin.operator == "==", line
        assert requirement.url is None, line
        found[canonicalize_name(requirement.name)] = (pin.version, re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line))
    return found


def _project() -> dict[str, object]:
    project: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_file_has_its_hash(name: str) -> None:
    locked = _locked(name)
    assert len(locked) > 20
    assert [package for package, (_, hashes) in locked.items() if not hashes] == []


def test_the_lock_holds_what_the_project_asks_for_in_the_versions_that_are_tested() -> None:
    locked = _locked("requirements.lock")
    tested = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            tested[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
    for text in _project()["dependencies"]:  # type: ignore[attr-defined]
        requirement = Requirement(text)
        version = locked[canonicalize_name(requirement.name)][0]
        assert requirement.specifier.contains(version), text
    differing = {p: (v, tested[p]) for p, (v, _) in locked.items() if p in tested and tested[p] != v}
    assert differing == {}


@pytest.mark.parametrize("package", sorted(KNOWN_BAD))
def test_no_version_that_a_hostile_file_could_break_is_allowed(package: str) -> None:
    floor, why = KNOWN_BAD[package]
    (asked,) = [r for r in map(Requirement, _project()["dependencies"]) if r.name == package]  # type: ignore[call-overload]
    (lowest,) = [Version(s.version) for s in asked.specifier if s.operator == ">="]
    assert lowest >= Version(floor), why
    assert Version(_locked("requirements.lock")[package][0]) >= Version(floor), why


def test_what_must_not_come_in_is_not_locked() -> None:
    """torchvision and torchaudio break beside this torch; the others report on their users or carry another licence."""
    unwanted = {"torchvision", "torchaudio", "posthog", "sentry-sdk", "quantus", "segment-analytics-python"}
    assert unwanted & set(_locked("requirements.lock")) == set()


def test_actions_of_others_are_pinned_by_commit() -> None:
    files = sorted((ROOT / ".github").rglob("*.yml"))
    used = [line.strip() for path in files for line in path.read_text().splitlines() if re.match(r"\s*-? *uses:", line)]
    assert len(used) > 10
    for line in used:
        assert re.search(r"uses: (\./|[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d)", line), line

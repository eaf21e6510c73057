"""Digests of what the plan's `model:` section names, file by file: taken before the model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from auditkit.core.errors import InputRefusedError
from auditkit.core.files import file_digests, manifest_digest, sha256_file
from auditkit.models.spec import ModelSpec
from auditkit.pipeline.attest.statement import MAX_SUBJECTS


@dataclass(frozen=True)
class ModelFiles:
    """`sha256`: digest of the model's file or directory, None without one. `files`: digest of each file of it by its
    relative name; `named`: of each further file that the plan names, by the path that the plan gives."""

    sha256: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str | None:
        """One digest for all of it."""
        return manifest_digest({"": self.sha256 or "", **self.named}) if self.named else self.sha256


def model_files(spec: ModelSpec, stated: ModelSpec) -> ModelFiles:
    """Hash them. `spec` has the paths made absolute, `stated` as the plan gives them; what is not there is left out.

    Raises `InputRefusedError` where they are more files than an attestation covers, or two can't be told apart.
    """
    found = ModelFiles()
    named: dict[str, str] = {}
    for path, given in zip(spec.paths, stated.paths, strict=True):
        if path.is_file():
            sha256, files = sha256_file(path), {}
        elif path.is_dir():
            files = file_digests(path)
            sha256 = manifest_digest(files)
        else:
            continue
        if path == spec.path:
            found = ModelFiles(sha256, _distinct(path, files or {path.name: sha256}))
        else:
            below = {f"{given.as_posix()}/{name}": digest for name, digest in files.items()}
            named |= _distinct(path, below or {given.as_posix(): sha256})
    if len(found.files) + len(named) > MAX_SUBJECTS // 2:
        raise InputRefusedError(f"{spec.path}: holds more than {MAX_SUBJECTS // 2:,} files; name the model's own alone")
    return ModelFiles(found.sha256, found.files, named)


def as_text(name: str) -> str:
    """A file's name as JSON can carry it: bytes that are no UTF-8 are shown as `\\xff`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _distinct(path: Path, files: Mapping[str, str]) -> dict[str, str]:
    """The same with names as text. Raises `InputRefusedError` where two would become one."""
    shown = {as_text(name): digest for name, digest in files.items()}
    if len(shown) < len(files):
        raise InputRefusedError(f"{path}: holds two files whose names can't be told apart as text; rename one")
    return shown

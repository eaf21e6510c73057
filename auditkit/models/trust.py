"""What the command line grants to files whose loading can run code. Nothing in a plan or a model can add to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auditkit.core.errors import InputRefusedError
from auditkit.core.model import Trusted


@dataclass(frozen=True)
class Trust:
    """Digests (hex SHA-256, of a file or of a directory as `core.files.sha256_tree` has it) and who named each.

    `code`: Python files that the plan names are the user's own (`--trust-code`). `sandbox`: whether files that can run
    code must load under the sandbox; False is `--no-sandbox`.
    """

    digests: frozenset[str] = frozenset()
    code: bool = False
    sandbox: bool = True

    def granted(self, path: Path, sha256: str, *, own_code: bool = False) -> Trusted | None:
        """Who trusts that file, if anybody does. `own_code`: a Python file named in the plan, which `--trust-code`
        covers, too."""
        if sha256 in self.digests:
            return Trusted(str(path), sha256, "digest")
        return Trusted(str(path), sha256, "code") if own_code and self.code else None

    def require(
        self, path: Path, sha256: str, what: str, *, own_code: bool = False, instead: str | None = None
    ) -> Trusted:
        """Who trusted that file. `what` says what kind of file it is, `instead` what else could be done with it.

        Raises `InputRefusedError` that says so, and ends with the flag ready to copy.
        """
        found = self.granted(path, sha256, own_code=own_code)
        if found is None:
            raise self.refusal({path: sha256}, what, own_code=own_code, instead=instead)
        return found

    def refusal(
        self, files: Mapping[Path, str], what: str, *, own_code: bool = False, instead: str | None = None
    ) -> InputRefusedError:
        """The error for files (and their digests) that nobody trusts. It ends with the flags ready to copy."""
        subject = ", ".join(str(path) for path in files)
        one = len(files) == 1
        pronoun = "it" if one else "them"
        parts = [f"{subject}: {what}: loading {pronoun} can run code of whoever made {pronoun}."]
        if self.digests:
            whose = "its own" if one else "theirs"
            parts.append(f"No digest that --trust or --trust-file named is {whose}.")
        if instead is not None:
            parts.append(f"{instead}.")
        if own_code:
            parts.append("Where the Python code is your own: --trust-code.")
        flags = " ".join(f"--trust sha256:{sha256}" for sha256 in files.values())
        parts.append(f"Where you trust {pronoun}: {flags}")
        return InputRefusedError(" ".join(parts))


#: Grants nothing.
NOBODY = Trust()

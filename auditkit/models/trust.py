"""What the command line grants to files whose loading can run code. Nothing in a plan or a model can add to it."""

from __future__ import annotations

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

    def require(self, path: Path, sha256: str, what: str, *, own_code: bool = False) -> Trusted:
        """Who trusted that file. `own_code`: a Python file named in the plan, which `--trust-code` covers, too.

        Raises `InputRefusedError` that says what the file is and prints the flag ready to copy.
        """
        if sha256 in self.digests:
            return Trusted(str(path), sha256, "digest")
        if own_code and self.code:
            return Trusted(str(path), sha256, "code")
        also = "; or --trust-code where it is your own" if own_code else ""
        raise InputRefusedError(
            f"{path}: {what}: loading it can run code of whoever made it. Where you trust it: "
            f"--trust sha256:{sha256}{also}"
        )


#: Grants nothing.
NOBODY = Trust()

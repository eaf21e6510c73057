"""The file of a scikit-learn estimator, checked before a worker opens it: skops, or a pickle where it is trusted."""

from __future__ import annotations

from pathlib import Path

from auditkit.core.errors import InputRefusedError
from auditkit.core.files import sha256_tree
from auditkit.models.opening import Opening
from auditkit.models.refuse import REMEDY, CodeFormat, code_format
from auditkit.models.skops_file import read_skops
from auditkit.models.snapshot import Snapshots, take_trusted
from auditkit.models.trust import Trust
from auditkit.models.worker.request import OpenRequest

_OTHERS = {
    "torch.save": "; `kind: torch` audits it",
    "torchscript": "; `kind: torch` audits it",
    "torch.export": "; `kind: torch` audits it",
    "python": "; `kind: python` audits it",
}


def opening_of_estimator(path: Path, trust: Trust, copies: Snapshots) -> Opening:
    """A skops file, read where it lies; or a pickle (of joblib, cloudpickle, dill, too), copied where it is trusted.

    Raises `InputRefusedError` where the file is neither, or is a pickle that nobody trusts.
    """
    found = code_format(path) if path.exists() else None
    if found is None:
        read_skops(path)
        digest = sha256_tree(path)
        return Opening(OpenRequest("skops", path), digest, in_place={path: digest})
    if found.family != "pickle":
        raise _refusal(path, found)
    copy, trusted = take_trusted(copies, path, found.what, trust, instead=REMEDY["sklearn"])
    request = OpenRequest("pickle", copy, options={"name": str(path)}, name=str(path))
    return Opening(request, trusted.sha256, (trusted,))


def _refusal(path: Path, found: CodeFormat) -> InputRefusedError:
    hint = _OTHERS.get(found.family, "")
    return InputRefusedError(
        f"{path}: {found.what}: loading it can run code of whoever made it, and it is none of the files that "
        f"`kind: sklearn` reads (skops; pickle and joblib where they are trusted){hint}. {REMEDY['sklearn']}."
    )

"""A scikit-learn estimator in a skops file: the zip's table first, then the types, then the estimator.

What skops itself leaves untrusted is refused, but for the few types of `REVIEWED`: they hold numbers, or call nothing
that is not on the list too. Each counts only where skops' own loader for it builds it.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditkit.core.errors import InputRefusedError, few
from auditkit.models.estimator import EstimatorModel
from auditkit.models.reading import MEGABYTE, ZIP_ERRORS, parse_json, read_regular
from auditkit.models.refuse import refuse_code
from auditkit.models.sklearn_trees import check_trees

MAX_FILE = 4_096 * MEGABYTE
MAX_MEMBERS = 200_000
MAX_SCHEMA = 256 * MEGABYTE
#: A member above 1 MiB that inflates by more than this is a bomb; arrays of zeros in small members do no harm.
MAX_RATIO = 100
MAX_INFLATED = 8_192 * MEGABYTE
#: Types and the loader that has to build them. Trees are checked once they are built, before they predict.
REVIEWED = {
    "sklearn.tree._tree.Tree": "TreeNode",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": "ObjectNode",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer": "ObjectNode",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer": "ObjectNode",
    "sklearn.utils.validation.check_array": "FunctionNode",
    "functools.partial": "PartialNode",
    "numpy.dtype": "DTypeNode",
}
_MEMBER = re.compile(r"[A-Za-z0-9_.-]{1,200}")


def read_skops(path: Path) -> bytes:
    """The bytes of a skops file whose zip table was checked. Raises `InputRefusedError`."""
    if not os.path.lexists(path):  # a loop of links is told by what reads it
        raise InputRefusedError(f"{path}: no such file; `skops.io.dump(estimator, {path.name!r})` writes one")
    if path.is_dir():
        raise InputRefusedError(f"{path}: a directory; `kind: sklearn` reads the file that `skops.io.dump` writes")
    refuse_code(path, "sklearn")
    content = read_regular(path, limit=MAX_FILE)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_members(archive.infolist(), str(path))
            schema = parse_json(archive.read("schema.json"), f"{path}: schema.json")
    except ZIP_ERRORS:
        raise InputRefusedError(
            f"{path}: not a skops file; save the estimator with `skops.io.dump(estimator, 'model.skops')`"
        ) from None
    _check_loaders(schema, str(path))
    return content


def _check_members(members: list[zipfile.ZipInfo], where: str) -> None:
    names = [member.filename for member in members]
    if "schema.json" not in names:
        raise InputRefusedError(f"{where}: a zip archive, but no skops file (it has no schema.json)")
    if len(names) > MAX_MEMBERS:
        raise InputRefusedError(f"{where}: {len(names):,} members, more than the {MAX_MEMBERS:,} that are read")
    if len(set(names)) != len(names):
        raise InputRefusedError(f"{where}: two members of one name; the file is forged or broken")
    for member in members:
        if not _MEMBER.fullmatch(member.filename) or member.filename in (".", ".."):
            raise InputRefusedError(f"{where}: a member named {member.filename[:100]!r}, which skops never writes")
        if member.filename == "schema.json" and member.file_size > MAX_SCHEMA:
            raise InputRefusedError(f"{where}: schema.json of {member.file_size:,} bytes, more than are read")
        if member.file_size > MEGABYTE and member.file_size > MAX_RATIO * max(1, member.compress_size):
            raise InputRefusedError(f"{where}: {member.filename} inflates {MAX_RATIO} times and more: a zip bomb")
    if sum(member.file_size for member in members) > MAX_INFLATED:
        raise InputRefusedError(f"{where}: inflates to more than {MAX_INFLATED // MEGABYTE:,} MiB")


def _check_loaders(schema: Any, where: str) -> None:
    """Raise where a reviewed type would be built by another loader than its own."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            name = f"{node.get('__module__')}.{node.get('__class__')}"
            loader = node.get("__loader__")
            if loader is not None and loader != REVIEWED.get(name, loader):
                raise InputRefusedError(
                    f"{where}: {name} is built by {str(loader)[:50]!r}; the file is forged or broken"
                )


def open_skops(path: Path, device: str, options: Mapping[str, Any]) -> EstimatorModel:
    """`load_skops` for the table of loaders."""
    return load_skops(path)


def load_skops(path: Path) -> EstimatorModel:
    """Load the estimator, in the worker. Raises `InputRefusedError` where it holds a type that is not known safe."""
    import skops.io

    content = read_skops(path)
    try:
        unknown = skops.io.get_untrusted_types(data=content)
    except Exception as error:  # noqa: BLE001 - skops raises whatever a malformed schema leads to
        raise InputRefusedError(
            f"{path}: a malformed skops file ({type(error).__name__}: {str(error)[:200]})"
        ) from None
    refused = [name for name in unknown if name not in REVIEWED]
    if refused:
        raise InputRefusedError(
            f"{path}: it holds types that are not known to be safe to load: {few(refused)}. Load it yourself where "
            "you trust it and hand the estimator to the Python API: `auditkit.audit(estimator, data)`."
        )
    try:
        estimator = skops.io.loads(content, trusted=unknown)
        check_trees(estimator, str(path))
        return EstimatorModel(estimator, name=str(path))
    except InputRefusedError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise InputRefusedError(f"{path}: can't be loaded ({type(error).__name__}: {str(error)[:200]})") from None

"""What the tests of hostile model files share."""

import io
import zipfile
from pathlib import Path

import pytest

from auditkit.core.errors import InputRefusedError
from auditkit.models.open import open_model
from auditkit.models.skops_file import load_skops
from auditkit.models.spec import ModelSpec
from auditkit.models.trained import load_trained


def open_model_at(path: Path, kind: str) -> None:
    open_model(ModelSpec(kind=kind, path=path), device="cpu").close()


def load_here(path: Path, kind: str) -> None:
    load_skops(path) if kind == "sklearn" else load_trained(path, "cpu")


def refused(path: Path, message: str, kind: str = "torch", *, worker: bool = True) -> str:
    """It is refused with one line that names the file; without `worker`, by what the worker calls (faster)."""
    load = open_model_at if worker else load_here
    with pytest.raises(InputRefusedError, match=message) as caught:
        load(path, kind)
    assert caught.value.exit_code == 4
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def zip_of(names: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return stream.getvalue()

from pathlib import Path

import pytest

from auditkit.models.worker.probe import isolation_here
from tests.models.tables import as_dataset, mixed_table, train


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Path:
    """A trained model that nobody changes."""
    out = tmp_path_factory.mktemp("hostile") / "out"
    train(as_dataset(mixed_table()), out)
    return out


@pytest.fixture
def bundle(original, tmp_path) -> Path:
    """A copy of it to forge."""
    copy = tmp_path / "model"
    copy.mkdir()
    for entry in original.iterdir():
        (copy / entry.name).write_bytes(entry.read_bytes())
    return copy


@pytest.fixture(scope="session")
def containment() -> None:
    """Skips where this machine can't contain a model that runs code."""
    isolation = isolation_here()
    if not isolation.complete:
        pytest.skip(f"this machine can't contain code: {isolation.lacks}")

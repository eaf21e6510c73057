from pathlib import Path

import pytest

from auditkit.data.dataset import Dataset

from .tables import as_dataset, mixed_table, train


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return as_dataset(mixed_table())


@pytest.fixture(scope="session")
def bundle(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model; tests that change it copy it first."""
    out = tmp_path_factory.mktemp("model") / "out"
    train(dataset, out)
    return out

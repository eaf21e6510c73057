"""Integrated gradients against closed forms, and their completeness."""

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.live import TensorInput, wrap
from auditkit.models.train.spec import TrainSpec
from auditkit.models.trained import load_trained

from .tables import as_dataset, batch_of, mixed_table, train

INPUTS = [Input("a", InputKind.NUMERIC), Input("b", InputKind.NUMERIC)]


@pytest.fixture(scope="module")
def model(bundle):
    return load_trained(bundle, "cpu")


def test_sums_to_the_output_minus_that_of_the_mean_row(model, dataset):
    """The output at the mean row is computed here from the network's parts, not taken from the attribution."""
    batch = batch_of(dataset)
    outputs = model.predict(batch).values
    chosen = outputs.argmax(axis=1)
    found = model.attribute(batch, chosen, 200)
    words = model.description.preprocessing
    tables = model.network.embeddings.tables
    means = [torch.tensor(c.frequencies()).float() @ t.weight for c, t in zip(words.categorical, tables, strict=True)]
    with torch.no_grad():
        mean = model.network.score(torch.tensor(words.numeric_means())[None], torch.cat(means)[None])[0].numpy()
    difference = outputs[np.arange(len(outputs)), chosen] - mean[chosen]
    np.testing.assert_allclose(found.values.sum(axis=1) - found.delta, difference, atol=2e-5)
    assert np.abs(found.delta).max() < 0.02 * np.abs(difference).max()
    assert found.values.shape == (200, 4)


def test_the_column_that_decides_gets_the_credit(tmp_path):
    dataset = as_dataset(mixed_table())
    train(dataset, tmp_path / "out", TrainSpec(epochs=15, batch_size=64, width=32, depth=1, learning_rate=0.01))
    batch = batch_of(dataset)
    found = load_trained(tmp_path / "out", "cpu").attribute(batch, np.ones(200, dtype=np.int64), 32)
    share = np.abs(found.values).mean(axis=0)
    order = [found.features[i] for i in np.argsort(-share)]
    assert order[:2] in (["age", "job"], ["job", "age"])
    nurse = batch["job"] == "nurse"
    assert found.values[nurse, found.features.index("job")].min() > 0


def test_internal_cuts_change_nothing(model, dataset, monkeypatch):
    batch, outputs = batch_of(dataset), np.zeros(200, dtype=np.int64)
    whole = model.attribute(batch, outputs, 16)
    monkeypatch.setattr("auditkit.models.attribution.POINTS", 16 * 7)
    np.testing.assert_allclose(model.attribute(batch, outputs, 16).values, whole.values, atol=1e-6)


def test_a_linear_module_gives_weight_times_distance():
    linear = nn.Linear(2, 3)
    model = wrap(linear, inputs=INPUTS, preprocessing=TensorInput(baseline={"b": 2.0}))
    x = np.random.default_rng(0).normal(size=(5, 2))
    outputs = np.array([0, 1, 2, 1, 0])
    found = model.attribute({"a": x[:, 0], "b": x[:, 1]}, outputs, 8)
    expected = linear.weight.detach().numpy()[outputs] * (x - np.array([0.0, 2.0]))
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    np.testing.assert_allclose(found.delta, 0, atol=1e-6)
    assert found.features == ("a", "b")
    assert found.baseline == "the given row"


def test_a_product_is_shared_in_halves():
    """f(a, b) = a·b from 0: along the path each gradient is t times the other, so each gets a·b / 2."""

    class Product(nn.Module):
        def forward(self, x):
            return (x[:, 0] * x[:, 1])[:, None]

    model = wrap(Product(), inputs=INPUTS, outputs="values")
    found = model.attribute({"a": np.array([2.0, -1.0]), "b": np.array([3.0, 5.0])}, np.zeros(2, dtype=np.int64), 8)
    np.testing.assert_allclose(found.values, [[3, 3], [-2.5, -2.5]], atol=1e-5)

"""Live objects: torch modules, estimators, functions."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from torch import nn

from auditkit.core.errors import InputRefusedError, ModelCrashedError, PlanError
from auditkit.core.model import Differentiable
from auditkit.core.types import InputKind
from auditkit.data.dataset import Input
from auditkit.models.live import TensorInput, wrap
from auditkit.models.live_torch import LiveModule

NUMBERS = [Input("b", InputKind.NUMERIC), Input("a", InputKind.NUMERIC)]
MIXED = [*NUMBERS, Input("c", InputKind.CATEGORICAL)]
BATCH = {
    "a": np.array([1.0, 2.0, np.nan]),
    "b": np.array([10.0, 20.0, 30.0]),
    "c": np.array(["x", None, "y"], dtype=object),
    "other": np.zeros(3),
}


class First(nn.Module):
    """Answers its input, and records how it was called."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Dropout(0.5)
        self.seen = []

    def forward(self, x):
        self.seen.append((x.dtype, tuple(x.shape), self.training, self.inner.training, torch.is_grad_enabled()))
        return self.inner(x)


def test_a_module_gets_float32_in_the_order_of_the_inputs_in_eval_mode():
    module = First()
    module.train()
    module.inner.eval()
    model = wrap(module, inputs=NUMBERS, outputs="logits", classes=["no", "yes"])
    found = model.predict(BATCH).values
    np.testing.assert_array_equal(found, [[10, 1], [20, 2], [30, np.nan]])
    assert found.dtype == np.float64
    assert module.seen == [(torch.float32, (3, 2), False, False, False)]
    assert module.training
    assert not module.inner.training
    assert isinstance(model, Differentiable)
    assert model.info.classes == ("no", "yes")
    assert "own process" in model.info.isolation


def test_a_module_reads_categories_only_where_it_is_told_how():
    with pytest.raises(PlanError, match=r"data.inputs.c: .*TensorInput\(categories=\{'c'"):
        wrap(First(), inputs=MIXED)
    model = wrap(First(), inputs=MIXED, preprocessing=TensorInput(categories={"c": ["y", "x"]}))
    np.testing.assert_array_equal(model.predict(BATCH).values[:, 2], [1, np.nan, 0])
    assert not isinstance(model, Differentiable)


def test_a_module_that_answers_nonsense():
    class Total(nn.Module):
        def forward(self, x):
            return x.sum()

    with pytest.raises(ModelCrashedError, match=r"Total failed on 3 rows.*expected a tensor"):
        wrap(Total(), inputs=NUMBERS).predict(BATCH)


def test_out_of_device_memory_halves_the_batch_and_says_so():
    class Small(nn.Module):
        sizes = []  # noqa: RUF012

        def forward(self, x):
            self.sizes.append(len(x))
            if len(x) > 3:
                raise torch.OutOfMemoryError("full")
            return x

    model = wrap(Small(), inputs=NUMBERS[:1])
    assert isinstance(model, LiveModule)
    rows = np.arange(10.0)
    np.testing.assert_array_equal(model.predict({"b": rows}).values[:, 0], rows)
    np.testing.assert_array_equal(model.predict({"b": rows}).values[:, 0], rows)
    assert Small.sizes == [10, 5, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    assert len(model.notes) == 2
    assert "went on with 2" in model.notes[-1]


def test_no_memory_for_one_row_is_an_error():
    class Full(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("full")

    with pytest.raises(ModelCrashedError, match="single row"):
        wrap(Full(), inputs=NUMBERS).predict(BATCH)


def frame(rows=60):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"b": rng.normal(size=rows), "a": rng.normal(size=rows)})


def test_estimators_answer_what_they_answer_themselves():
    x = frame()
    y = np.where(x["a"] > 0, "yes", "no")
    batch = {"a": x["a"].to_numpy(), "b": x["b"].to_numpy()}
    classifier = LogisticRegression().fit(x, y)
    model = wrap(classifier, inputs=NUMBERS)
    assert model.info.outputs == "probabilities"
    assert model.info.classes == ("no", "yes")
    assert model.info.inputs == ("b", "a")
    np.testing.assert_array_equal(model.predict(batch).values, classifier.predict_proba(x))
    ridge = wrap(RidgeClassifier().fit(x, y), inputs=NUMBERS)
    assert ridge.info.outputs == "labels"
    assert ridge.predict(batch).labels.tolist() == RidgeClassifier().fit(x, y).predict(x).tolist()
    linear = wrap(LinearRegression().fit(x, x["a"] * 2), inputs=NUMBERS)
    assert linear.info.estimates == "regression"
    np.testing.assert_allclose(linear.predict(batch).values[:, 0], x["a"] * 2)


def test_classes_are_text_as_in_the_plan():
    x = frame()
    assert wrap(LogisticRegression().fit(x, x["a"] > 0), inputs=NUMBERS).info.classes == ("false", "true")
    assert wrap(LogisticRegression().fit(x, (x["a"] > 0) * 1.0), inputs=NUMBERS).info.classes == ("0", "1")


def test_a_function_gets_the_frame_that_pandas_would_read():
    seen = []

    def answer(x):
        seen.append(x)
        return x["b"]

    model = wrap(answer, inputs=MIXED, outputs="values")
    assert model.predict(BATCH).values[:, 0].tolist() == [10, 20, 30]
    assert list(seen[0].columns) == ["b", "a", "c"]
    assert seen[0]["c"].isna().tolist() == [False, True, False]
    assert seen[0]["a"].dtype == np.float64


@pytest.mark.parametrize(
    ("answer", "outputs", "labels", "values"),
    [
        (["u", "v", None], None, ["u", "v", None], None),
        ([1, 0, 1], None, ["1", "0", "1"], None),
        ([True, False, True], None, ["true", "false", "true"], None),
        ([1, 0, 1], "probabilities", None, [[1], [0], [1]]),
        ([1.0, 0.0, 1.0], "labels", ["1", "0", "1"], None),
        ([0.5, 0.1, 0.2], None, None, [[0.5], [0.1], [0.2]]),
        (pd.DataFrame({"p": [0.1, 0.2, 0.3], "q": [0.9, 0.8, 0.7]}), None, None, [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]),
        (torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True), None, None, [[1], [2], [3]]),
    ],
)
def test_what_functions_may_answer(answer, outputs, labels, values):
    found = wrap(lambda x: answer, inputs=NUMBERS, outputs=outputs).predict(BATCH)
    assert (None if found.labels is None else found.labels.tolist()) == labels
    assert (None if found.values is None else found.values.tolist()) == values


def test_failures_of_live_models_are_one_clear_error():
    def broken(x):
        raise KeyError("colour")

    with pytest.raises(ModelCrashedError, match="broken failed on 3 rows: KeyError: 'colour'"):
        wrap(broken, inputs=NUMBERS).predict(BATCH)
    with pytest.raises(ModelCrashedError, match="answered 1 predictions for 3 rows"):
        wrap(lambda x: [1.0], inputs=NUMBERS).predict(BATCH)
    with pytest.raises(ModelCrashedError, match="3 axes"):
        wrap(lambda x: np.zeros((3, 1, 1)), inputs=NUMBERS).predict(BATCH)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (3, PlanError, "a int is no model"),
        (LogisticRegression, PlanError, "the class LogisticRegression"),
        (LogisticRegression(), InputRefusedError, "not fitted"),
        (KMeans(), InputRefusedError, "neither a classifier nor a regressor"),
    ],
)
def test_what_is_no_model_is_refused(model, error, message):
    with pytest.raises(error, match=message):
        wrap(model, inputs=NUMBERS)

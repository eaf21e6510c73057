"""scikit-learn estimators in skops files: the worker answers what the estimator itself answers."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from auditkit.core.errors import PlanError
from auditkit.models.open import open_model
from auditkit.models.skops_file import load_skops
from auditkit.models.spec import ModelSpec

from .tables import mixed_table

FRAME = mixed_table(300).to_pandas()
X, Y = FRAME[["age", "pay", "job", "town"]], FRAME["label"]
BATCH = {
    "age": X["age"].to_numpy(),
    "pay": X["pay"].to_numpy(),
    "job": np.array([None if pd.isna(v) else v for v in X["job"]], dtype=object),
    "town": np.array([None if pd.isna(v) else v for v in X["town"]], dtype=object),
}


def pipeline(last):
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "pay"]),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["job", "town"]),
    )
    return make_pipeline(columns, last).fit(X, Y)


def test_a_pipeline_with_text_and_missing_cells_through_the_worker(tmp_path):
    estimator = pipeline(LogisticRegression())
    skops.io.dump(estimator, tmp_path / "model.skops")
    with open_model(ModelSpec(kind="sklearn", path=tmp_path / "model.skops")) as model:
        np.testing.assert_array_equal(model.predict(BATCH).values, estimator.predict_proba(X))
        info = model.info
        assert (info.outputs, info.classes, info.estimates) == ("probabilities", ("no", "yes"), "classification")
        assert info.inputs == ("age", "pay", "job", "town")
        assert info.description == "scikit-learn pipeline: ColumnTransformer, LogisticRegression"
        assert len(info.sha256) == 64
        assert not hasattr(model, "attribute")
        with pytest.raises(PlanError, match="'town'"):
            model.predict({name: values for name, values in BATCH.items() if name != "town"})


def test_labels_through_the_worker(tmp_path):
    estimator = pipeline(RidgeClassifier())
    skops.io.dump(estimator, tmp_path / "model.skops")
    with open_model(ModelSpec(kind="sklearn", path=tmp_path / "model.skops")) as model:
        assert model.info.outputs == "labels"
        assert model.predict(BATCH).labels.tolist() == estimator.predict(X).tolist()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5, random_state=0),
        GradientBoostingClassifier(n_estimators=5),
        HistGradientBoostingClassifier(max_iter=5),
        MLPClassifier((8,), max_iter=5, random_state=0),
    ],
    ids=lambda e: type(e).__name__,
)
def test_trees_and_networks_that_are_in_order_load(tmp_path, estimator):
    numbers = X[["age", "pay"]].fillna(0)
    estimator.fit(numbers, Y)
    skops.io.dump(estimator, tmp_path / "model.skops")
    batch = {name: numbers[name].to_numpy() for name in numbers}
    found = load_skops(tmp_path / "model.skops").predict(batch).values
    np.testing.assert_array_equal(found, estimator.predict_proba(numbers))


def test_boosted_trees_with_categories_and_regression(tmp_path):
    codes = pd.DataFrame({"age": X["age"], "job": X["job"].astype("category").cat.codes.astype(float)})
    estimator = HistGradientBoostingRegressor(max_iter=5, categorical_features=[1]).fit(codes, X["age"])
    skops.io.dump(estimator, tmp_path / "model.skops")
    model = load_skops(tmp_path / "model.skops")
    found = model.predict({name: codes[name].to_numpy() for name in codes}).values
    np.testing.assert_array_equal(found[:, 0], estimator.predict(codes))
    assert model.info.estimates == "regression"

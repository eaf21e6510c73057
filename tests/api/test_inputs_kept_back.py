"""A model that reads columns which the plan keeps from it is told which key would give them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import auditkit
from auditkit.core.errors import PlanError

FRAME = pd.DataFrame({"age": np.arange(40.0), "sex": np.tile([0, 1], 20), "y": np.repeat(["no", "yes"], 20)})
READS_BOTH = LogisticRegression().fit(FRAME[["age", "sex"]], FRAME["y"])
TELLS = {
    "only become inputs where this key lists them": {"sensitive": ["sex"]},
    "not listed here": {"sensitive": ["sex"], "inputs": ["age"]},
}


@pytest.mark.parametrize("words", TELLS)
def test_which_columns_a_model_lacks_and_why(words: str) -> None:
    with pytest.raises(PlanError, match=f"reads 'sex'.*{words}"):
        auditkit.audit(READS_BOTH, FRAME, target="y", positive="yes", **TELLS[words])


def test_columns_that_nobody_has() -> None:
    with pytest.raises(PlanError, match="reads 'sex', which the splits don't have"):
        auditkit.audit(READS_BOTH, FRAME.drop(columns="sex"), target="y", positive="yes")

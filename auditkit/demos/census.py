"""The census demo: UCI Adult, from the raw file to a trained network and an audited report."""

from __future__ import annotations

from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from auditkit.core.files import write_text, write_through

TEST_SHARE = 0.4

PLAN = """\
# The plan of `auditkit demo`. Copy it, point it at your own data and model, and go on:
#   auditkit train audit.yaml      trains the model below into model/
#   auditkit run audit.yaml        audits it
name: census-income

model:
  kind: torch                  # a directory that `auditkit train` left
  path: model/
  threshold: 0.5

data:
  splits: {train: train.parquet, test: test.parquet}
  target: income
  positive: ">50K"             # the favourable label
  inputs:                      # sex and race are not read by the model; fnlwgt (a survey weight) is left out, too
    age: numeric
    workclass: categorical
    education: categorical
    education_num: numeric
    marital_status: categorical
    occupation: categorical
    relationship: categorical
    capital_gain: numeric
    capital_loss: numeric
    hours_per_week: numeric
    native_country: categorical
  sensitive: [sex, race]
  groups: {sex: [Female, Male]}
  id: row_id
  about: >-
    UCI Adult (Becker and Kohavi 1996; CC BY 4.0): 32,561 people of the 1994 US census. The field advises against it as
    a benchmark of fairness: its threshold of 50,000 dollars was far above the median of most groups, so that results
    change with the threshold; its rows were filtered, its labels are thirty years old, and it says nothing of other
    places or years (Ding, Hardt, Miller and Schmidt 2021, "Retiring Adult", NeurIPS; Bao et al. 2021). It is used here
    because it is small, real and known to be biased, to show what an audit finds.

train:
  architecture: mlp            # residual MLP: categorical embeddings, standardised numbers
  epochs: 12
  batch_size: 256
  learning_rate: 0.002
  early_stopping: {patience: 4}

gates:
  - {check: performance.summary, metric: accuracy, min: 0.80}
  - {check: overfitting.gap, metric: relative_degradation, max: 0.05}
  - {check: calibration.reliability, metric: expected_calibration_error, by: none, max: 0.05}
  - {check: bias.groups, metric: equalized_odds_difference, by: sex, max: 0.10}
  - {check: bias.groups, metric: demographic_parity_ratio, by: sex, min: 0.80}
  - {check: bias.groups, metric: demographic_parity_difference, by: [sex, race], max: 0.15}  # both

run: {seed: 0}

context:
  use: Demonstration only. Income class predicted from census answers.
  affected: People whose applications would be sorted by predicted income.
  harms: A group that is wrongly predicted to earn less would be refused more often.
  reviewer: nobody yet; put your name here
"""


def write_demo(directory: Path) -> Path:
    """Write the demo's data and plan into `directory`; returns the path of the plan.

    The split is fixed: 40% of the rows, drawn once with a fixed seed, are the test split.
    """
    directory.mkdir(parents=True, exist_ok=True)
    source = resources.files("auditkit.demos") / "data" / "adult.parquet"
    with resources.as_file(source) as path:
        table = pq.read_table(path)
    order = np.random.default_rng(1996).permutation(table.num_rows)
    cut = round(TEST_SHARE * table.num_rows)
    for name, rows in (("test", order[:cut]), ("train", order[cut:])):
        part = table.take(pa.array(np.sort(rows)))
        write_through(directory / f"{name}.parquet", partial(pq.write_table, part))
    plan = directory / "audit.yaml"
    write_text(plan, PLAN)
    return plan

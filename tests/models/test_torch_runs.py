"""Whole audits of torch files by the command line: refused, trusted with the flag that the refusal prints, judged."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.models.torch_nets import BUILDER, COLUMNS, save, trained_net

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore:.*isinstance.*"),
]
PLAN = """
name: a third party's model
model: {kind: torch, path: FORM, outputs: logits}
data:
  splits: {test: test.parquet}
  target: label
  positive: "yes"
  inputs: {age: numeric, hours: numeric, gain: numeric}
  sensitive: [sex]
gates:
  - {check: performance.summary, metric: accuracy, min: LEAST}
  - {check: bias.groups, metric: demographic_parity_difference, by: sex, max: 0.3}
"""
FORMS = ["dynamic.pt2", "scripted.pt", "weights.pt"]


@pytest.fixture
def project(tmp_path) -> Path:
    """A test split whose labels are the network's own decisions, but for one in ten."""
    net, rng, count = trained_net(), np.random.default_rng(0), 1_500
    inputs = {name: rng.normal(1, 2, count) for name in COLUMNS}
    with torch.no_grad():
        said = net(torch.from_numpy(np.column_stack(list(inputs.values())).astype(np.float32))).argmax(1).numpy()
    labels = np.where(said ^ (rng.random(count) < 0.1), "yes", "no")
    sex = np.where(rng.random(count) < 0.5, "F", "M")
    pq.write_table(pa.table({**inputs, "sex": sex, "label": labels}), tmp_path / "test.parquet")
    (tmp_path / "net.py").write_text(BUILDER)
    return tmp_path


@pytest.mark.parametrize("form", FORMS)
def test_an_audit_from_refusal_to_verdict(auditkit, project, form):
    path = save(trained_net(), project, form)
    builder = "" if form != "weights.pt" else ", builder: 'net.py:make'"
    plan = project / "audit.yaml"
    plan.write_text(PLAN.replace("FORM", f"{form}{builder}").replace("LEAST", "0.85"))
    refused = auditkit("run", plan, "--out", project / "out")
    assert refused.code == 4
    code = project / "net.py" if form == "weights.pt" else path
    assert f"{code}: " in refused.err
    flags = re.search(r"--trust sha256:[0-9a-f]{64}$", refused.err.strip())
    assert flags is not None, refused.err
    answer = auditkit("run", plan, "--out", project / "out", *flags[0].split())
    assert answer.code == 0, answer.text
    audit = json.loads((project / "out" / "audit.json").read_text())
    assert [(item["path"], item["by"]) for item in audit["model"]["trusted"]] == [(code.name, "digest")]
    assert audit["model"]["parameters"] == sum(p.numel() for p in trained_net().parameters())
    (accuracy,) = [f for f in audit["findings"] if f["metric"] == "accuracy" and f.get("gate")]
    assert 0.87 < accuracy["value"] < 0.93
    explained = [f for f in audit["findings"] if f["check"] == "explainability.attribution"]
    assert explained
    assert all(f["status"] not in ("skipped", "error") for f in explained)
    if form == "scripted.pt":
        plan.write_text(PLAN.replace("FORM", form).replace("LEAST", "0.99"))
        assert auditkit("run", plan, "--out", project / "failing", *flags[0].split()).code == 1

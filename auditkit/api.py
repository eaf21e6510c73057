"""The Python API: the same four stages on live objects.

import auditkit
audit = auditkit.audit(model, frame, target="income", positive=">50K", sensitive=["sex"])
audit.verdict, audit.find("accuracy"), audit.save("audits/mine")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auditkit.core.audit import Audit
from auditkit.core.errors import PlanError
from auditkit.core.model import Model, OutputKind
from auditkit.core.progress import SilentProgress
from auditkit.data.dataset import Dataset
from auditkit.data.frames import to_table
from auditkit.data.spec import label_text
from auditkit.pipeline.attest.keys import load_signer
from auditkit.pipeline.audit import perform
from auditkit.pipeline.document import Document
from auditkit.pipeline.gate_file import GateRequest, attributes_section, given, parse_bound, prepare_gate
from auditkit.pipeline.load import LoadedPlan, parse_plan
from auditkit.pipeline.prepared import Clock, Prepared
from auditkit.pipeline.problems import band_problems
from auditkit.pipeline.render import write_reports
from auditkit.pipeline.run import run_prepared
from auditkit.pipeline.suite import select_checks

if TYPE_CHECKING:
    import pandas as pd


class FinishedAudit(Audit):
    """An `Audit` that shows itself in a notebook and can be saved."""

    def _repr_html_(self) -> str:
        from auditkit.report.notebook import card

        return card(self)

    def save(self, directory: str | Path, formats: Sequence[str] = ("html",)) -> list[Path]:
        """Write `audit.json` and the wanted formats ("html", "md", "junit", "sarif") into a directory."""
        path = Path(directory)
        path.mkdir(parents=True, exist_ok=True)
        return write_reports(self, path, formats)


def audit(
    model: object,
    data: pd.DataFrame | Mapping[str, Any],
    *,
    target: str,
    positive: str | bool | float | None = None,
    inputs: Sequence[str] | Mapping[str, str] | None = None,
    sensitive: Sequence[str] = (),
    groups: Mapping[str, Sequence[Any]] | None = None,
    bands: Mapping[str, Sequence[float] | int | str] | None = None,
    attributes: object = None,
    attributes_id: str | None = None,
    population: Mapping[str, Mapping[Any, float]] | None = None,
    id: str | None = None,
    cluster: str | None = None,
    weight: str | None = None,
    outputs: OutputKind | None = None,
    classes: Sequence[Any] | None = None,
    threshold: float = 0.5,
    task: str | None = None,
    checks: Mapping[str, Any] | None = None,
    gates: Sequence[Mapping[str, Any]] | str = "none",
    name: str = "audit",
    seed: int = 0,
    device: str = "auto",
    budget: float | str | None = None,
    max_rows: int | None = None,
    context: Mapping[str, str] | None = None,
    out: str | Path | None = None,
    formats: Sequence[str] = ("html",),
    allow_inconclusive: bool = False,
    sign: str | Path | None = None,
) -> FinishedAudit:
    """Audit a live model: a scikit-learn estimator, a torch module, or any callable that takes a DataFrame.

    `data` is the test split, or a mapping of splits (`{"train": frame, "test": frame}`); frames are pandas DataFrames,
    Arrow tables, or mappings of columns. `outputs` says what a module or callable returns ("logits", "probabilities",
    "values", "labels") where it can't be told. `attributes` is a second table with sensitive columns (a frame, or the
    path of a file), joined by `id` to its column `attributes_id`. All other arguments mean what they mean in a plan
    file.

    With `out`, the run directory is written as `auditkit run` writes it; `sign` is the private key that signs it, its
    password in `AUDITKIT_SIGNING_KEY_PASSWORD` where it has one. The model runs in this process.
    Raises `auditkit.core.errors.AuditkitError`: `PlanError` for wrong arguments, `InputRefusedError` for bad data.
    """
    if sign is not None and out is None:
        raise PlanError("sign: what is signed is the run directory; name it with `out`")
    signer = None if sign is None else load_signer(Path(sign))
    frames = {split: to_table(frame) for split, frame in _splits(data).items()}
    second = _second_table(attributes)
    data_section = {
        "splits": dict.fromkeys(frames, "in memory"),
        "target": target,
        "positive": positive,
        "inputs": _inputs(inputs),
        "sensitive": list(sensitive),
        "groups": {column: list(labels) for column, labels in (groups or {}).items()},
        "bands": _plain(bands or {}),
        "attributes": attributes_section(second, attributes_id),
        "population": {
            column: {label_text(label): _plain(share) for label, share in shares.items()}
            for column, shares in (population or {}).items()
        },
        "id": id,
        "cluster": cluster,
        "weight": weight,
    }
    model_section = {
        "kind": "python",
        "outputs": outputs if outputs != "labels" else None,
        "threshold": threshold,
        "classes": None if classes is None else list(classes),
        "task": task,
    }
    tree = {
        "name": name,
        "model": given(model_section),
        "data": given(data_section),
        "checks": dict(checks or {}),
        "gates": gates if isinstance(gates, str) else [dict(gate) for gate in gates],
        "run": given({"seed": seed, "device": device, "budget": budget, "max_rows": max_rows}),
        "context": dict(context or {}),
    }
    loaded = parse_plan(Document(value=tree), None)
    prepared = _prepare(loaded, frames, second, model, outputs)
    prepared.allow_inconclusive = allow_inconclusive
    if out is None:
        return _finish(perform(prepared, Clock()))
    result = run_prepared(prepared, directory=Path(out), resume=False, formats=formats, signer=signer)
    return _finish(result.audit)


def gate(
    data: pd.DataFrame | Mapping[str, Any],
    *,
    target: str,
    prediction: str,
    score: str | None = None,
    positive: str | bool | float | None = None,
    sensitive: Sequence[str] = (),
    max: Mapping[str, float] | None = None,
    min: Mapping[str, float] | None = None,
    weight: str | None = None,
    cluster: str | None = None,
    id: str | None = None,
    attributes: object = None,
    attributes_id: str | None = None,
    bands: Mapping[str, Sequence[float] | int | str] | None = None,
    allow_inconclusive: bool = False,
    name: str = "predictions",
) -> FinishedAudit:
    """Gate predictions in memory, as `auditkit gate` does for a file.

    `max` and `min` map metrics (`"equalized_odds_difference"`, `"true_positive_rate@sex"`) to bounds. `attributes` is a
    second table with sensitive columns (a frame, or the path of a file), joined by `id` to its column `attributes_id`;
    `bands` cuts numeric sensitive columns (`{"age": [25, 45, 65]}`), as in a plan.
    """
    bounds = [parse_bound("--max", f"{metric}={bound}") for metric, bound in (max or {}).items()]
    bounds += [parse_bound("--min", f"{metric}={bound}") for metric, bound in (min or {}).items()]
    request = GateRequest(
        target=target,
        prediction=prediction,
        score=score,
        positive=None if positive is None else label_text(positive),
        sensitive=tuple(sensitive),
        bounds=tuple(bounds),
        weight=weight,
        cluster=cluster,
        id=id,
        attributes=_second_table(attributes),
        attributes_id=attributes_id,
        bands=_plain(bands or {}),
    )
    prepared = prepare_gate(None, to_table(data), request, name, SilentProgress())
    prepared.allow_inconclusive = allow_inconclusive
    return _finish(perform(prepared, Clock()))


def _splits(data: Any) -> Mapping[str, Any]:
    """A mapping whose values are frames is a mapping of splits; anything else is the test split."""
    if isinstance(data, Mapping) and data and all(_is_frame(value) for value in data.values()):
        if "test" not in data:
            raise PlanError(f"data: needs a split named 'test'; found {', '.join(map(str, data))}")
        return data
    return {"test": data}


def _is_frame(value: Any) -> bool:
    return hasattr(value, "columns") or hasattr(value, "column_names") or isinstance(value, Mapping)


def _inputs(inputs: Sequence[str] | Mapping[str, str] | None) -> dict[str, Any] | None:
    if inputs is None:
        return None
    return dict(inputs) if isinstance(inputs, Mapping) else dict.fromkeys(inputs)


def _second_table(attributes: object) -> Any:
    """The second table: a path as it is, anything else as an Arrow table."""
    if attributes is None:
        return None
    return Path(attributes) if isinstance(attributes, str | Path) else to_table(attributes)


def _plain(value: Any) -> Any:
    """As a plan file has it: numpy's numbers and arrays become Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _prepare(
    loaded: LoadedPlan, frames: Mapping[str, Any], attributes: Any, model: object, outputs: OutputKind | None
) -> Prepared:
    plan = loaded.plan
    checks, problems = select_checks(plan.checks)
    dataset = None
    try:
        dataset = Dataset.open(
            plan.data,
            frames=frames,
            max_rows=plan.run.max_rows,
            seed=plan.run.seed,
            attributes=None if isinstance(attributes, Path) else attributes,
        )
        problems += band_problems(tuple(enumerate(plan.gate_list)), dataset.survey)
    except PlanError as error:
        problems += error.problems
    loaded.refuse(problems)
    assert dataset is not None
    return Prepared(
        plan=plan,
        stated=loaded.stated,
        digest=loaded.digest,
        dataset=dataset,
        checks=checks,
        open_model=_opener(model, dataset, plan.model.classes, outputs, plan.run.device),
        progress=SilentProgress(),
        outputs=outputs,
    )


def _opener(
    model: object, dataset: Dataset, classes: Sequence[str] | None, outputs: OutputKind | None, device: str
) -> Callable[[], Model]:
    def opener() -> Model:
        from auditkit.models.live import wrap

        return wrap(model, inputs=dataset.inputs, outputs=outputs, classes=classes, device=device)

    return opener


def _finish(result: Audit) -> FinishedAudit:
    return FinishedAudit.model_construct(**{name: getattr(result, name) for name in Audit.model_fields})

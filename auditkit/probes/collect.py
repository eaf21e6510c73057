"""The collector: the one loop that runs a model.

The clean pass comes first, then probes in rounds, each standing on evidence that earlier rounds left.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from auditkit.core.files import digest_of
from auditkit.core.tables import FINGERPRINTS, PREDICTIONS, ROWS
from auditkit.core.version import __version__
from auditkit.probes.attributions import IntegratedGradients
from auditkit.probes.base import Probe, ProbeContext
from auditkit.probes.baseline import LinearBaseline
from auditkit.probes.deletion import Deletion
from auditkit.probes.forward import TABLES, collect_forward, dataset_key
from auditkit.probes.history import History
from auditkit.probes.permutations import Permutations
from auditkit.probes.store import Store

#: Rows of a shard. Batches have a fixed size and never cross a shard: the shape of a batch changes scores in their
#: last bits, and every run must give the same digest.
SHARD_ROWS = 8192
BATCH_ROWS = 1024

PROBES: tuple[Probe, ...] = (History(), LinearBaseline(), IntegratedGradients(), Permutations(), Deletion())


@dataclass
class Collected:
    """What was collected: tables by name, their keys, and for each absent table the reason."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def table_keys(context: ProbeContext, version: Mapping[str, Any]) -> dict[str, str]:
    """The keys of the clean pass's tables: digests of data, model and request."""
    data = dataset_key(context.dataset)
    info = None if context.model is None else context.model.info
    model = context.spec.model_dump(mode="json", exclude={"path", "threshold", "classes", "task"})
    # A live object has no digest that would tell a changed model from the same one: its evidence is never found again.
    digest = None if info is None else info.sha256 or uuid.uuid4().hex
    # The columns of a file of predictions are written in the order of the classes.
    order = context.evidence.task.classes if context.model is None else None
    trusted = [] if info is None else [file.sha256 for file in info.trusted]
    stated = [None if info is None else [info.kind, digest, trusted, info.device], model, order]
    shape = [context.shard_rows, context.batch_size]
    base = [__version__, dict(version), data, shape]
    return {name: digest_of([name, base, stated if name == PREDICTIONS.name else None]) for name in TABLES}


def collect_clean(context: ProbeContext, store: Store, collected: Collected, version: Mapping[str, Any]) -> None:
    """The clean pass: every row of every split, read once and scored once."""
    keys = table_keys(context, version)
    collect_forward(context, store, keys)
    for name, key in keys.items():
        collected.keys[name] = key
        collected.tables[name] = store.read(name, key)
    _keep_fingerprints(context.dataset.fingerprints, store, collected)


def _keep_fingerprints(found: Mapping[str, pa.Table], store: Store, collected: Collected) -> None:
    """Where rows are stored once, what tells copies of a row from rows that look alike."""
    name = FINGERPRINTS.name
    if not found:
        collected.absent[name] = "every row is stored, with its own hashes"
        return
    key = digest_of([name, collected.keys[ROWS.name]])
    parts = [table.add_column(0, "split", pa.array([split] * len(table))) for split, table in found.items()]
    if not store.finished(name, key):
        store.write_part(name, key, "whole", pa.concat_tables(parts))
        store.finish(name, key, ["whole"])
    collected.keys[name], collected.tables[name] = key, store.read(name, key)


def collect_rounds(
    context: ProbeContext,
    store: Store,
    collected: Collected,
    wanted: Sequence[str],
    event: Callable[[str, str], None],
    probes: Sequence[Probe] = PROBES,
) -> None:
    """Run the probes whose tables somebody wants, in the order in which they stand on one another."""
    for probe in _ordered(probes, set(wanted)):
        reason = _missing_need(probe, collected) or probe.unavailable(context)
        if reason is not None:
            collected.absent.update(dict.fromkeys(probe.provides, reason))
            continue
        stands_on = [collected.keys[name] for name in (*probe.needs, *probe.after) if name in collected.keys]
        # What a probe leaves may follow the predicted class, hence the classes, the positive one and the threshold.
        task = repr(context.evidence.task)
        key = digest_of(
            [probe.name, dict(probe.request()), context.evidence.seed, context.sample_rows, task, stands_on]
        )
        if not all(store.finished(name, key) for name in probe.provides):
            key = _run(probe, context, store, collected, key)
            event(probe.name, key)
        for name in probe.provides:
            if store.finished(name, key):
                collected.keys[name] = key
                collected.tables[name] = store.read(name, key)


def _run(probe: Probe, context: ProbeContext, store: Store, collected: Collected, key: str) -> str:
    """Run a probe and keep its tables; what a budget cut short is kept under a key that no later run looks for."""
    tables = probe.collect(context)
    cut_short = probe.name in context.budget.exhausted
    if cut_short:
        key = digest_of([key, "cut short"])
    for name in probe.provides:
        if name in tables:
            store.write_part(name, key, "whole", tables[name])
            store.finish(name, key, ["whole"])
        elif cut_short:
            collected.absent[name] = f"the time budget ran out before the {probe.name} was done"
        else:
            collected.absent[name] = f"there are too few rows for the {probe.name}"
    if cut_short and tables:
        collected.notes.append(f"The time budget ran out during the {probe.name}; it covers less than planned.")
    return key


def _missing_need(probe: Probe, collected: Collected) -> str | None:
    for name in probe.needs:
        if name not in collected.tables:
            return collected.absent.get(name, f"the evidence '{name}' was not collected")
    return None


def _ordered(probes: Sequence[Probe], wanted: set[str]) -> list[Probe]:
    """The probes that provide something wanted, or something another such probe needs, needs first."""
    chosen: list[Probe] = []

    def add(probe: Probe) -> None:
        if probe in chosen:
            return
        for name in (*probe.needs, *probe.after):
            for other in probes:
                if name in other.provides:
                    add(other)
        chosen.append(probe)

    for probe in probes:
        if wanted & set(probe.provides):
            add(probe)
    return chosen

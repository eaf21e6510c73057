"""The training loop: one network, one optimizer, one epoch after another.

Each epoch draws its random numbers (the order of the rows, dropout) from a seed of its own, made from the run's seed
and the epoch's number. A training that was interrupted after any epoch therefore ends with the same bits as one that
was not, on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit.core.errors import UnfinishedError
from auditkit.core.types import IntArray
from auditkit.models.train.checkpoint import Checkpoint
from auditkit.models.train.history import Epoch
from auditkit.models.train.spec import TrainSpec
from auditkit.models.train.store import TrainingRows

_VALIDATION_BATCH = 4_096


class Trainer:
    """Trains `network` on `rows`; `epochs` is the history so far, `best` the weights that are to be kept."""

    def __init__(
        self,
        spec: TrainSpec,
        rows: TrainingRows,
        network: nn.Module,
        *,
        classes: tuple[str, ...],
        device: torch.device,
        seed: int,
    ) -> None:
        self.spec, self.rows, self.device, self.seed = spec, rows, device, seed
        self.network = network.to(device)
        self.optimizer = _optimizer(spec, self.network)
        self.epochs: list[Epoch] = []
        self.best_epoch = 0
        self.best: dict[str, Tensor] = {}
        weights = class_weights(spec, rows.class_counts, classes)
        self._class_weights = None if weights is None else weights.to(device)
        half = device.type == "cuda" and not torch.cuda.is_bf16_supported()
        self._precision = torch.float16 if half else torch.bfloat16
        self._scaler = torch.amp.GradScaler(device.type, enabled=half)
        self._steps = math.ceil(len(rows.train) / spec.batch_size)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or early stopping says that it is enough."""
        rule = self.spec.early_stopping
        stopped = rule is not None and len(self.epochs) - self.best_epoch >= rule.patience
        return len(self.epochs) >= self.spec.epochs or (stopped and bool(self.epochs))

    def run_epoch(self) -> Epoch:
        """Train for one epoch and measure it. Raises `UnfinishedError` where the loss is no number any more."""
        number = len(self.epochs) + 1
        torch.manual_seed(_epoch_seed(self.seed, number))
        rate = self._rate((number - 1) * self._steps)
        loss, metric = self._train(number)
        held_loss, held_metric = self._validate() if len(self.rows.validation) else (None, None)
        if not all(math.isfinite(x) for x in (loss, metric, held_loss, held_metric) if x is not None):
            raise UnfinishedError(
                f"training diverged in epoch {number}: the loss is not a finite number; try a smaller "
                f"train.learning_rate (it was {self.spec.learning_rate:g})"
                + ("" if self.spec.clip_norm else ", or set train.clip_norm")
            )
        epoch = Epoch(number, loss, metric, held_loss, held_metric, rate)
        self.epochs.append(epoch)
        self._keep_best(epoch)
        return epoch

    def _keep_best(self, epoch: Epoch) -> None:
        rule = self.spec.early_stopping
        if rule is not None and self.best_epoch and epoch.validation_loss is not None:
            best = self.epochs[self.best_epoch - 1].validation_loss
            assert best is not None
            if epoch.validation_loss >= best - rule.min_delta:
                return
        self.best_epoch = epoch.epoch
        self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}

    def _train(self, number: int) -> tuple[float, float]:
        self.network.train()
        sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        order = np.random.default_rng((self.seed, number)).permutation(self.rows.train)
        for step, (numeric, codes, target) in enumerate(self._batches(order, self.spec.batch_size)):
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate((number - 1) * self._steps + step)
            with torch.autocast(self.device.type, self._precision, enabled=self.device.type == "cuda"):
                outputs = self.network(numeric, codes)
            part = self._sums(outputs.float(), target)
            self._step(part[0] / part[1])
            sums += part.detach().double()
        return self._means(sums, len(order))

    def _step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self._scaler.scale(loss))
        if self.spec.clip_norm is not None:
            self._scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.spec.clip_norm)
        self._scaler.step(self.optimizer)
        self._scaler.update()

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        self.network.eval()
        sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        for numeric, codes, target in self._batches(self.rows.validation, _VALIDATION_BATCH):
            sums += self._sums(self.network(numeric, codes), target).double()
        return self._means(sums, len(self.rows.validation))

    def _sums(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Σ weighted loss, Σ weights, Σ metric over a batch, `[3]`."""
        if self.rows.scale is not None:
            error = outputs[:, 0] - target
            return torch.stack((error.square().sum(), error.new_tensor(float(len(error))), error.abs().sum()))
        loss = functional.cross_entropy(outputs, target, weight=self._class_weights, reduction="sum")
        weights = (
            loss.new_tensor(float(len(target))) if self._class_weights is None else self._class_weights[target].sum()
        )
        return torch.stack((loss, weights, (outputs.argmax(dim=1) == target).sum().to(loss.dtype)))

    def _means(self, sums: Tensor, rows: int) -> tuple[float, float]:
        loss, weights, metric = sums.tolist()
        unit = 1.0 if self.rows.scale is None else self.rows.scale.scale
        return loss / weights * unit**2, metric / rows * unit

    def _batches(self, order: IntArray, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            numeric, codes = self._tensor(self.rows.numeric[chosen]), self._tensor(self.rows.codes[chosen])
            yield numeric, codes, self._tensor(self.rows.target[chosen])

    def _tensor(self, values: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.asarray(values)).to(self.device)

    def _rate(self, step: int) -> float:
        """The learning rate of a step; cosine: from the plan's down to 0 (Loshchilov & Hutter 2017, eq. 5)."""
        if self.spec.schedule == "constant":
            return self.spec.learning_rate
        return self.spec.learning_rate * 0.5 * (1 + math.cos(math.pi * step / (self.spec.epochs * self._steps)))

    def checkpoint(self, request: str) -> Checkpoint:
        """The state, to go on from."""
        return Checkpoint(
            request=request,
            epochs=self.epochs,
            best_epoch=self.best_epoch,
            network=self.network.state_dict(),
            best=self.best,
            optimizer=self.optimizer.state_dict(),
            scaler=self._scaler.state_dict(),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a state."""
        self.network.load_state_dict(checkpoint.network)
        self.optimizer.load_state_dict(dict(checkpoint.optimizer))
        if checkpoint.scaler:
            self._scaler.load_state_dict(dict(checkpoint.scaler))
        self.epochs = list(checkpoint.epochs)
        self.best_epoch, self.best = checkpoint.best_epoch, dict(checkpoint.best)


def class_weights(spec: TrainSpec, counts: tuple[int, ...], classes: tuple[str, ...]) -> Tensor | None:
    """Loss weight of each class, float32 `[C]`, or None for none.

    `balanced` is n / (C · count), as in scikit-learn; a class without rows gets 1. A mapping leaves the others at 1.
    """
    if spec.class_weights is None:
        return None
    if spec.class_weights == "balanced":
        total = sum(counts)
        return torch.tensor([total / (len(counts) * count) if count else 1.0 for count in counts])
    return torch.tensor([float(spec.class_weights.get(name, 1.0)) for name in classes])


def _optimizer(spec: TrainSpec, network: nn.Module) -> torch.optim.Optimizer:
    weights = network.parameters()
    if spec.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=spec.learning_rate, momentum=spec.momentum, weight_decay=spec.weight_decay)
    kind = torch.optim.AdamW if spec.optimizer == "adamw" else torch.optim.Adam
    return kind(weights, lr=spec.learning_rate, weight_decay=spec.weight_decay)


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> np.uint64(1))

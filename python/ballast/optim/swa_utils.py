"""Averages of weights over training, as ``torch.optim.swa_utils``."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

from .. import _core
from .._core import Tensor
from .._types import check_device
from ..autograd import no_grad
from ..nn.module import Module
from .lr_scheduler import LRScheduler
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """Make the function that averages exponentially: ``decay*average + (1 - decay)*current``."""
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )

    def average(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        return decay * averaged + (1 - decay) * current

    return average


def get_swa_avg_fn() -> Callable:
    """Make the function that averages all models with equal weight."""

    def average(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        return averaged + (current - averaged) / (float(num_averaged) + 1)

    return average


def _multi(average: Callable) -> Callable:
    def update(averaged: Iterable[Tensor], current: Iterable[Tensor], num_averaged: Any) -> None:
        for a, c in zip(averaged, current, strict=True):
            a.copy_(average(a, c, num_averaged))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """As `get_ema_avg_fn`, for lists of tensors, in place."""
    return _multi(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable:
    """As `get_swa_avg_fn`, for lists of tensors, in place."""
    return _multi(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a module whose weights are averages over training.

    Parameters
    ----------
    model : Module
        What is trained.
    device : optional
        The CPU.
    avg_fn : callable, optional
        ``avg_fn(average, current, count)``; without it all models have equal weight.
    multi_avg_fn : callable, optional
        The same for lists of tensors, in place.
    use_buffers : bool
        Whether buffers are averaged too; otherwise they are copied.
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", _core.zeros((), dtype=_core.int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the averaged module."""
        return self.module(*args, **kwargs)

    def _averaged(self, module: Module) -> list[Tensor]:
        floats = [b for b in module.buffers() if b.dtype.is_floating_point]
        return [*module.parameters(), *(floats if self.use_buffers else [])]

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the present weights of `model` into the average."""
        averaged, current = self._averaged(self.module), self._averaged(model)
        count = int(self.n_averaged.item())
        if count == 0:
            for a, c in zip(averaged, current, strict=True):
                a.copy_(c)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(averaged, current, self.n_averaged)
        else:
            average = self.avg_fn or get_swa_avg_fn()
            for a, c in zip(averaged, current, strict=True):
                a.copy_(average(a, c, self.n_averaged))
        if not self.use_buffers:
            for a, c in zip(self.module.buffers(), model.buffers(), strict=True):
                a.copy_(c)
        self.n_averaged += 1
        _core._eval([t.detach() for t in averaged])


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch normalizations from the data anew.

    Parameters
    ----------
    loader : iterable
        Batches, or lists whose first entry is one.
    model : Module
        Its statistics become averages over the loader.
    device : optional
        The CPU.
    """
    if device is not None:
        check_device(device)
    norms = [m for m in model.modules() if getattr(m, "track_running_stats", False)]
    if not norms:
        return
    momenta = {}
    for m in norms:
        m.reset_running_stats()
        momenta[m] = m.momentum
        m.momentum = None
    was_training = model.training
    model.train()
    for batch in loader:
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
        _core._eval([m.running_mean for m in norms])
    for m, momentum in momenta.items():
        m.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present rate to `swa_lr` in `anneal_epochs` epochs, and on with that.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates.
    swa_lr : float or list
        The rate at the end.
    anneal_epochs : int
        How long the way there is.
    anneal_strategy : str
        ``"cos"`` or ``"linear"``.
    last_epoch : int
        The epoch to continue after; -1 to start.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        n = len(optimizer.param_groups)
        rates = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * n
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                "anneal_strategy must by one of 'cos' or 'linear', instead got " + anneal_strategy
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _way(self, t: float) -> float:
        t = max(0.0, min(1.0, t))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[float]:
        """Compute the rates of epoch `last_epoch` from the present ones."""
        # The epoch before tells where each rate came from.
        step = self.last_epoch if self.anneal_epochs > 0 else max(1, self.last_epoch)
        length = max(1, self.anneal_epochs)
        before, now = self._way((step - 1) / length), self._way(step / length)
        rates = []
        for group in self.optimizer.param_groups:
            end = group["swa_lr"]
            start = end if before == 1 else (group["lr"] - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates

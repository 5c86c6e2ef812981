"""Learning rates that go up and down, with the momentum against them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .._core import Tensor
from .lr_scheduler import LRScheduler, check_optimizer
from .optimizer import Optimizer


def _per_group(optimizer: Optimizer, value: Any, name: str) -> list[float]:
    """One number for every group."""
    n = len(optimizer.param_groups)
    if isinstance(value, (list, tuple)):
        if len(value) != n:
            raise ValueError(f"expected {n} values for {name}, got {len(value)}")
        return list(value)
    if isinstance(value, Tensor):
        value = value.item()
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    return [value] * n


class _WithMomentum(LRScheduler):
    """What schedules share that move the momentum against the rate."""

    def _momentum_of(self, group: dict[str, Any]) -> float:
        return group["betas"][0] if "betas" in group else group["momentum"]

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum

    def _check_momentum(self, optimizer: Optimizer) -> None:
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
            )


class OneCycleLR(_WithMomentum):
    """Up to `max_lr` and down again, once, with the momentum the other way (Smith, 2018).

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates.
    max_lr : float or list
        The largest rate.
    total_steps, epochs, steps_per_epoch : int
        The length: `total_steps`, or the product of the other two.
    pct_start : float
        The part of it that goes up.
    anneal_strategy : str
        ``"cos"`` or ``"linear"``.
    cycle_momentum : bool
        Whether to move the momentum (or Adam's first beta) too.
    base_momentum, max_momentum : float or list
        Its bounds.
    div_factor, final_div_factor : float
        The first rate is ``max_lr/div_factor``, the last that over `final_div_factor`.
    three_phase : bool
        Whether to come down in two phases.
    last_epoch : int
        The step to continue after; -1 to start.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        check_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    "You must define either total_steps OR (epochs AND steps_per_epoch)"
                )
            total_steps = epochs * steps_per_epoch
        if total_steps <= 0 or not isinstance(total_steps, int):
            raise ValueError(f"Expected positive integer total_steps, but got {total_steps}")
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self.total_steps = total_steps
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        up = float(pct_start * total_steps) - 1
        end = total_steps - 1
        if three_phase:
            self._schedule_phases = [
                (up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (2 * up, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._schedule_phases = [
                (up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (end, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]
        if last_epoch == -1:
            rates = _per_group(optimizer, max_lr, "max_lr")
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            self._check_momentum(optimizer)
            if last_epoch == -1:
                highs = _per_group(optimizer, max_momentum, "max_momentum")
                lows = _per_group(optimizer, base_momentum, "base_momentum")
                for group, high, low in zip(optimizer.param_groups, highs, lows, strict=True):
                    self._set_momentum(group, high)
                    group["max_momentum"], group["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)

    def _anneal(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start

    def get_lr(self) -> list[float]:
        """Compute the rates (and set the momenta) of step `last_epoch`."""
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(
                f"Tried to step {t} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        start = 0.0
        phase = self._schedule_phases[-1]
        for candidate in self._schedule_phases:
            phase = candidate
            if t <= candidate[0] or candidate is self._schedule_phases[-1]:
                break
            start = candidate[0]
        end, lr_from, lr_to, m_from, m_to = phase
        part = (t - start) / (end - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal(group[lr_from], group[lr_to], part))
            if self.cycle_momentum:
                self._set_momentum(group, self._anneal(group[m_from], group[m_to], part))
        return rates


class CyclicLR(_WithMomentum):
    """Up and down between two rates (Smith, 2017).

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates.
    base_lr, max_lr : float or list
        The bounds.
    step_size_up, step_size_down : int
        Steps of the way up, and down (the same, where not given).
    mode : str
        ``"triangular"``, ``"triangular2"`` (half as high each cycle) or ``"exp_range"`` (times
        ``gamma**step``).
    gamma : float
        Of ``"exp_range"``.
    scale_fn : callable, optional
        The height as a function of the cycle, in place of `mode`.
    scale_mode : str
        ``"cycle"`` or ``"iterations"``: what `scale_fn` is a function of.
    cycle_momentum : bool
        Whether to move the momentum the other way.
    base_momentum, max_momentum : float or list
        Its bounds.
    last_epoch : int
        The step to continue after; -1 to start.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ):
        check_optimizer(optimizer)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        lows = _per_group(optimizer, base_lr, "base_lr")
        if last_epoch == -1:
            for lr, group in zip(lows, optimizer.param_groups, strict=True):
                group["lr"] = lr
        self.max_lrs = _per_group(optimizer, max_lr, "max_lr")
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        self.mode, self.gamma = mode, gamma
        self._scale_fn = scale_fn
        self.scale_mode = "iterations" if scale_fn is None and mode == "exp_range" else scale_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._check_momentum(optimizer)
            self.base_momentums = _per_group(optimizer, base_momentum, "base_momentum")
            self.max_momentums = _per_group(optimizer, max_momentum, "max_momentum")
            if last_epoch == -1:
                for m, group in zip(self.max_momentums, optimizer.param_groups, strict=True):
                    self._set_momentum(group, m)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def scale_fn(self, x: float) -> float:
        """Compute the height of a cycle (or step)."""
        if self._scale_fn is not None:
            return self._scale_fn(x)
        if self.mode == "triangular2":
            return 1 / (2.0 ** (x - 1))
        return self.gamma**x if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[float]:
        """Compute the rates (and set the momenta) of step `last_epoch`."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        way = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        rates = [
            low + (high - low) * way * scale
            for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]
        if self.cycle_momentum:
            bounds = zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            )
            for group, low, high in bounds:
                self._set_momentum(group, high - (high - low) * way * scale)
        return rates

    def state_dict(self) -> dict[str, Any]:
        """Collect what the schedule continues from; functions are not among it."""
        return {k: v for k, v in super().state_dict().items() if k != "_scale_fn"}


__all__: Iterable[str] = ["CyclicLR", "OneCycleLR"]

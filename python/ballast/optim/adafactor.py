"""Adafactor: Adam's step with little memory (Shazeer and Stern, 2018)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import _core
from .._core import Tensor
from .algorithms import GraphOptimizer, State, _settings
from .optimizer import check_option


class Adafactor(GraphOptimizer):
    """Divides gradients by the root of a mean square of which rows and columns are kept.

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr : float
        The largest relative step.
    beta2_decay : float
        The mean of step t remembers ``1 - t**beta2_decay``.
    eps : tuple of float or None, and float
        Added to squares (None: the type's smallest step); least size of a parameter.
    d : float
        Steps of a larger root mean square are made as short.
    weight_decay : float
        Decoupled weight decay.
    foreach, maximize : optional
        The former without effect; climb instead of descending.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        check_option("weight_decay value", weight_decay)
        super().__init__(params, _settings(locals()))

    def _step_groups(self) -> None:
        # The weights decay after their size has been taken, in `_update`.
        for group in self.param_groups:
            group["decay"], group["weight_decay"] = group["weight_decay"], 0
        super()._step_groups()
        for group in self.param_groups:
            group["weight_decay"] = group.pop("decay")

    def _start(self, group: dict[str, Any], p: Tensor) -> State:
        state: State = {"step": _core.zeros(())}
        if p.dim() > 1:
            state["row_var"] = _core.zeros((*p.shape[:-1], 1), dtype=p.dtype)
            state["col_var"] = _core.zeros((*p.shape[:-2], 1, p.shape[-1]), dtype=p.dtype)
        else:
            state["variance"] = _core.zeros_like(p.detach())
        return state

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        from .._dtypes import finfo

        eps1, eps2 = group["eps"]
        eps1 = finfo(p.dtype).eps if eps1 is None else eps1
        forget = t ** group["beta2_decay"]
        rate = min(group["lr"], 1 / t**0.5)
        size = max(eps2, (p.norm(2) / p.numel() ** 0.5).item()) * rate
        if group["decay"]:
            p.mul_(1 - group["lr"] * group["decay"])
        if p.dim() > 1:
            s["row_var"].lerp_(g.square().mean(-1, keepdim=True), forget)
            s["col_var"].lerp_(g.square().mean(-2, keepdim=True), forget)
            least = s["row_var"].mean(-2, keepdim=True).clamp(min=eps1)
            variance = (s["row_var"] @ s["col_var"]) / least
        else:
            s["variance"].lerp_(g.square(), forget)
            variance = s["variance"]
        update = g * variance.clamp(min=eps1 * eps1).rsqrt()
        longest = max(1.0, (update.norm(2) / (update.numel() ** 0.5 * group["d"])).item())
        p.add_(update, alpha=-size / longest)

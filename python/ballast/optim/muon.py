"""Muon: steps of matrices made orthogonal (Jordan, 2024)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import _core
from .._core import Tensor
from .algorithms import GraphOptimizer, State, _settings
from .optimizer import check_option


def _orthogonal(g: Tensor, coefficients: tuple, steps: int, eps: float) -> Tensor:
    """Move singular values to 1 by Newton and Schulz's iteration, in bfloat16."""
    a, b, c = coefficients
    x = g.to(_core.bfloat16)
    wide = g.shape[0] <= g.shape[1]
    x = x if wide else x.t()
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.t()
        update = _core.addmm(gram, gram, gram, beta=b, alpha=c)
        x = _core.addmm(x, update, x, beta=a)
    return x if wide else x.t()


class Muon(GraphOptimizer):
    """Momentum whose direction is made orthogonal; for matrices, the weights of hidden layers.

    Parameters
    ----------
    params : iterable
        Parameters of two dimensions, or groups of them.
    lr, weight_decay, momentum : float
        Rate; decoupled weight decay; momentum.
    nesterov : bool
        Look ahead along the momentum.
    ns_coefficients, ns_steps, eps : tuple of three floats, int, float
        Of the iteration that makes matrices orthogonal.
    adjust_lr_fn : str, optional
        How the rate depends on a matrix's size: "original" (None) or "match_rms_adamw".
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        check_option("momentum value", momentum)
        check_option("weight_decay value", weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, _settings(locals()))
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{p.size()}"
                    )

    def _step_groups(self) -> None:
        for group in self.param_groups:
            group.update(maximize=False, decoupled_weight_decay=True)
        super()._step_groups()
        for group in self.param_groups:
            del group["maximize"], group["decoupled_weight_decay"]
        for kept in self.state.values():
            kept.pop("step", None)

    def _start(self, group: dict[str, Any], p: Tensor) -> State:
        return {"step": _core.zeros(()), "momentum_buffer": _core.zeros_like(p.detach())}

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        average = s["momentum_buffer"]
        average.lerp_(g, 1 - group["momentum"])
        step = g.lerp(average, group["momentum"]) if group["nesterov"] else average
        step = _orthogonal(step, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = p.shape
        ratio = max(1.0, rows / columns) ** 0.5
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * max(rows, columns) ** 0.5
        p.add_(step.to(p.dtype), alpha=-group["lr"] * ratio)

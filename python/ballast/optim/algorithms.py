"""Optimizers written as operations on tensors: one plan computes a step of all parameters.

Numbers that change from step to step are inputs of that plan, so it is made once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .. import _core
from .._core import Tensor
from .optimizer import Optimizer, check_betas, check_option

State = dict[str, Any]


def _sign(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    """Collect the options that a constructor was called with."""
    return {k: v for k, v in values.items() if k not in ("self", "params", "__class__")}


class GraphOptimizer(Optimizer):
    """Base of optimizers that keep tensors of a parameter's size in `state`."""

    _zeros: tuple[str, ...] = ()

    def _start(self, group: dict[str, Any], p: Tensor) -> State:
        """Make the state of a parameter that has had no step."""
        return {"step": _core.zeros(()), **{name: _core.zeros_like(p) for name in self._zeros}}

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        raise NotImplementedError

    def _step_groups(self) -> None:
        touched: list[Tensor] = []
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state.setdefault(p, {})
                if not state:
                    state.update(self._start(group, p))
                t = int(state["step"].item()) + 1 if "step" in state else 1
                state["step"] = _core.full((), float(t))
                g = -p.grad if group["maximize"] else p.grad
                decay = group["weight_decay"]
                if decay and group.get("decoupled_weight_decay"):
                    p.mul_(1 - group["lr"] * decay)
                elif decay:
                    g = g + p * decay
                self._update(group, p, g, state, t)
                touched += [p, *(v for v in state.values() if isinstance(v, Tensor))]
        _core._eval(touched)

    def _loaded(self, p: Tensor, kept: State) -> State:
        out: State = {}
        for name, value in kept.items():
            if not isinstance(value, Tensor):
                out[name] = _core.full((), float(value)) if name == "step" else value
            elif value.dim() == 0 and p.dim() > 0 or name in ("step", "mu_product"):
                out[name] = value.detach().clone().float()
            else:
                out[name] = value.detach().clone().to(p.dtype)
        return out


class RMSprop(GraphOptimizer):
    """Gradients divided by the root of their running mean square (Tieleman and Hinton, 2012).

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr, alpha, eps, weight_decay, momentum : float
        Rate; how slowly the mean forgets; added to the root; L2 penalty; momentum.
    centered : bool
        Divide by the standard deviation instead.
    maximize : bool
        Climb instead of descending.
    capturable, foreach, differentiable : optional
        Accepted, without effect.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_option("epsilon value", eps)
        check_option("momentum value", momentum)
        check_option("weight_decay value", weight_decay)
        check_option("alpha value", alpha)
        super().__init__(params, _settings(locals()))

    def _start(self, group: dict[str, Any], p: Tensor) -> State:
        names = ["square_avg"]
        names += ["momentum_buffer"] if group["momentum"] > 0 else []
        names += ["grad_avg"] if group["centered"] else []
        return {"step": _core.zeros(()), **{name: _core.zeros_like(p) for name in names}}

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        alpha, mean = group["alpha"], s["square_avg"]
        mean.mul_(alpha).addcmul_(g, g, value=1 - alpha)
        if group["centered"]:
            s["grad_avg"].lerp_(g, 1 - alpha)
            mean = mean - s["grad_avg"] * s["grad_avg"]
        root = mean.sqrt() + group["eps"]
        if group["momentum"] > 0:
            s["momentum_buffer"].mul_(group["momentum"]).addcdiv_(g, root)
            p.add_(s["momentum_buffer"], alpha=-group["lr"])
        else:
            p.addcdiv_(g, root, value=-group["lr"])


class Adagrad(GraphOptimizer):
    """Gradients divided by the root of the sum of their squares (Duchi et al., 2011).

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr, lr_decay, weight_decay, initial_accumulator_value, eps : float
        Rate and its decay; L2 penalty; what the sum starts with; added to the root.
    maximize : bool
        Climb instead of descending.
    foreach, differentiable, fused : optional
        Accepted, without effect.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_option("lr_decay value", lr_decay)
        check_option("weight_decay value", weight_decay)
        check_option("initial_accumulator_value value", initial_accumulator_value)
        check_option("epsilon value", eps)
        super().__init__(params, _settings(locals()))
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = self._start(group, p)

    def _start(self, group: dict[str, Any], p: Tensor) -> State:
        start = group["initial_accumulator_value"]
        return {"step": _core.zeros(()), "sum": _core.full_like(p.detach(), start)}

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        s["sum"].addcmul_(g, g)
        rate = group["lr"] / (1 + (t - 1) * group["lr_decay"])
        p.addcdiv_(g, s["sum"].sqrt() + group["eps"], value=-rate)


class Adadelta(GraphOptimizer):
    """Steps in units of the steps before (Zeiler, 2012, arXiv:1212.5701).

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr, rho, eps, weight_decay : float
        Factor of the step; how slowly the means forget; added under the roots; L2 penalty.
    maximize : bool
        Climb instead of descending.
    foreach, capturable, differentiable : optional
        Accepted, without effect.
    """

    _zeros = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_option("epsilon value", eps)
        check_option("weight_decay value", weight_decay)
        super().__init__(params, _settings(locals()))

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        rho, eps, mean, steps = group["rho"], group["eps"], s["square_avg"], s["acc_delta"]
        mean.mul_(rho).addcmul_(g, g, value=1 - rho)
        delta = (steps + eps).sqrt() / (mean + eps).sqrt() * g
        steps.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.add_(delta, alpha=-group["lr"])


def _moments(group: dict[str, Any], g: Tensor, s: State) -> None:
    beta1, beta2 = group["betas"]
    s["exp_avg"].lerp_(g, 1 - beta1)
    s["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)


class NAdam(GraphOptimizer):
    """Adam with Nesterov's momentum (Dozat, 2016).

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr, eps, weight_decay, momentum_decay : float
        Rate; added to the root; L2 penalty; how the momentum grows.
    betas : tuple of two floats
        How slowly the averages of the gradient and of its square forget.
    decoupled_weight_decay : bool
        Shrink the parameters instead, as AdamW.
    maximize : bool
        Climb instead of descending.
    foreach, capturable, differentiable : optional
        Accepted, without effect.
    """

    _zeros = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        check_option("epsilon value", eps)
        check_betas(betas)
        check_option("weight_decay value", weight_decay)
        check_option("momentum_decay value", momentum_decay)
        super().__init__(params, _settings(locals()))

    def _start(self, group: dict[str, Any], p: Tensor) -> State:
        return {**super()._start(group, p), "mu_product": _core.ones(())}

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        beta1, beta2 = group["betas"]
        decay, lr = group["momentum_decay"], group["lr"]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (t * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1) * decay))
        product = s["mu_product"].item() * mu
        s["mu_product"] = _core.full((), product)
        _moments(group, g, s)
        root = (s["exp_avg_sq"] / (1 - beta2**t)).sqrt() + group["eps"]
        p.addcdiv_(g, root, value=-lr * (1.0 - mu) / (1.0 - product))
        p.addcdiv_(s["exp_avg"], root, value=-lr * mu_next / (1.0 - product * mu_next))


class RAdam(GraphOptimizer):
    """Adam whose rate waits for the variance to be known (Liu et al., 2020, arXiv:1908.03265).

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr, eps, weight_decay : float
        Rate; added to the root; L2 penalty.
    betas : tuple of two floats
        How slowly the averages of the gradient and of its square forget.
    decoupled_weight_decay : bool
        Shrink the parameters instead, as AdamW.
    maximize : bool
        Climb instead of descending.
    foreach, capturable, differentiable : optional
        Accepted, without effect.
    """

    _zeros = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        check_option("epsilon value", eps)
        check_betas(betas)
        check_option("weight_decay value", weight_decay)
        super().__init__(params, _settings(locals()))

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        beta1, beta2 = group["betas"]
        _moments(group, g, s)
        rest1, rest2 = 1 - beta1**t, 1 - beta2**t
        most = 2 / (1 - beta2) - 1
        length = most - 2 * t * beta2**t / rest2
        mean = s["exp_avg"] / rest1
        if length <= 5.0:
            p.sub_(mean * group["lr"])
            return
        rectified = math.sqrt(
            (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        )
        adaptive = math.sqrt(rest2) / (s["exp_avg_sq"].sqrt() + group["eps"])
        p.sub_(mean * group["lr"] * adaptive * rectified)


class Adamax(GraphOptimizer):
    """Adam with the largest gradient in place of the mean square (Kingma and Ba, 2015).

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr, eps, weight_decay : float
        Rate; added to the magnitude; L2 penalty.
    betas : tuple of two floats
        How slowly the average and the largest magnitude forget.
    maximize : bool
        Climb instead of descending.
    foreach, differentiable, capturable : optional
        Accepted, without effect.
    """

    _zeros = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_option("epsilon value", eps)
        check_betas(betas)
        check_option("weight_decay value", weight_decay)
        super().__init__(params, _settings(locals()))

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        beta1, beta2 = group["betas"]
        s["exp_avg"].lerp_(g, 1 - beta1)
        s["exp_inf"].copy_(_core.maximum(s["exp_inf"] * beta2, g.abs() + group["eps"]))
        p.addcdiv_(s["exp_avg"], s["exp_inf"], value=-group["lr"] / (1 - beta1**t))


class Rprop(GraphOptimizer):
    """Steps of their own length for every element (Riedmiller and Braun, 1993).

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr : float
        The first step's length.
    etas : tuple of two floats
        Factors of the length where the gradient's sign changes, and where it stays.
    step_sizes : tuple of two floats
        The least and the largest length.
    maximize : bool
        Climb instead of descending.
    capturable, foreach, differentiable : optional
        Accepted, without effect.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, {**_settings(locals()), "weight_decay": 0})
        for group in self.param_groups:
            group.pop("weight_decay")

    def _step_groups(self) -> None:
        for group in self.param_groups:
            group["weight_decay"] = 0
        super()._step_groups()
        for group in self.param_groups:
            group.pop("weight_decay")

    def _start(self, group: dict[str, Any], p: Tensor) -> State:
        size = _core.full_like(p.detach(), group["lr"])
        return {"step": _core.zeros(()), "prev": _core.zeros_like(p), "step_size": size}

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        less, more = group["etas"]
        agreement = g * s["prev"]
        grown, shrunk = (agreement > 0).to(g.dtype), (agreement < 0).to(g.dtype)
        s["step_size"].mul_(1 + grown * (more - 1) + shrunk * (less - 1)).clamp_(
            *group["step_sizes"]
        )
        g = g * (1 - shrunk)
        p.sub_(_sign(g) * s["step_size"])
        s["prev"].copy_(g)


class ASGD(GraphOptimizer):
    """Gradient descent that also averages (Polyak and Juditsky, 1992).

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr, lambd, alpha, t0, weight_decay : float
        Rate, its decay and the decay's power; when averaging starts; L2 penalty.
    maximize : bool
        Climb instead of descending.
    foreach, differentiable, capturable : optional
        Accepted, without effect.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_option("weight_decay value", weight_decay)
        check_option("lambd value", lambd)
        check_option("alpha value", alpha)
        super().__init__(params, _settings(locals()))

    def _start(self, group: dict[str, Any], p: Tensor) -> State:
        return {
            "step": _core.zeros(()),
            "eta": _core.full((), group["lr"]),
            "mu": _core.ones(()),
            "ax": _core.zeros_like(p),
        }

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor, s: State, t: int) -> None:
        eta, mu, lr = s["eta"].item(), s["mu"].item(), group["lr"]
        p.mul_(1 - group["lambd"] * eta)
        p.add_(g, alpha=-eta)
        if mu == 1:
            s["ax"].copy_(p)
        else:
            s["ax"].add_((p - s["ax"]) * mu)
        s["eta"] = _core.full((), lr / (1 + group["lambd"] * lr * t) ** group["alpha"])
        s["mu"] = _core.full((), 1.0 / max(1.0, t - group["t0"]))

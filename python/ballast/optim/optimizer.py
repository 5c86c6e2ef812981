"""SGD, Adam and AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import _core
from .._core import Tensor
from ..autograd import enable_grad


def _tensors(params: Any) -> list[Tensor]:
    if isinstance(params, Tensor):
        params = [params]
    params = list(params)
    if params and isinstance(params[0], tuple):  # named_parameters()
        params = [p for _, p in params]
    for p in params:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}"
            )
        if not p.is_leaf:
            raise ValueError("can't optimize a non-leaf Tensor")
    return params


class Optimizer:
    """Base of the optimizers.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dictionaries with ``"params"`` and options of
        their own.
    defaults : dict
        The options of groups that say nothing else.
    """

    _native: type
    _options: tuple[str, ...] = ()

    def __init__(self, params: Iterable, defaults: dict[str, Any]):
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}"
            )
        if not 0.0 <= defaults["lr"]:
            raise ValueError(f"Invalid learning rate: {defaults['lr']}")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._native_groups: list[Any] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own."""
        group = {**self.defaults, **param_group, "params": _tensors(param_group["params"])}
        known = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in known for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        native = self._native(group["params"], *self._values(group))
        self.param_groups.append(group)
        self._native_groups.append(native)

    def _values(self, group: dict[str, Any]) -> list[Any]:
        return [group[name] for name in self._options]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero."""
        if set_to_none:
            for native in self._native_groups:
                native.zero_grad()
            return
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = _core.zeros_like(p)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients; called first.

        Returns
        -------
        Tensor or None
            What `closure` returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        natives = self._native_groups
        if len(natives) > 1:
            params = (p for group in self.param_groups for p in group["params"])
            _core._eval([g for g in (p.grad for p in params) if g is not None])
        for native, group in zip(natives, self.param_groups, strict=True):
            native.set(*[group[name] for name in self._options])
            native.step()
        return loss

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        """What is kept for every parameter: copies."""
        packed = self.state_dict()["state"]
        params = [p for group in self.param_groups for p in group["params"]]
        return {p: packed.get(i, {}) for i, p in enumerate(params)}

    def state_dict(self) -> dict[str, Any]:
        """Collect what training continues from.

        Returns
        -------
        dict
            ``"state"``: by number of the parameter; ``"param_groups"``: options and numbers.
        """
        state: dict[int, dict[str, Any]] = {}
        packed = []
        first = 0
        for native, group in zip(self._native_groups, self.param_groups, strict=True):
            for name, value in native.state_dict():
                kind, number, key = name.split(".", 2)
                if kind == "state":
                    state.setdefault(first + int(number), {})[key] = value
            options = {k: v for k, v in group.items() if k != "params"}
            n = len(group["params"])
            packed.append({**options, "params": list(range(first, first + n))})
            first += n
        return {"state": state, "param_groups": packed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave.

        Raises
        ------
        ValueError
            Where the groups do not fit.
        """
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        sizes = zip(saved, self.param_groups, strict=True)
        if any(len(s["params"]) != len(g["params"]) for s, g in sizes):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        for native, group, new in zip(self._native_groups, self.param_groups, saved, strict=True):
            group.update({k: v for k, v in new.items() if k != "params"})
            native.set(*self._values(group))
            named = dict(native.state_dict())
            entries = [(n, v) for n, v in named.items() if not n.startswith("state.")]
            for i, number in enumerate(new["params"]):
                kept = state_dict["state"].get(number, {})
                entries += [
                    (f"state.{i}.{k}", v if isinstance(v, Tensor) else _core.full((), v))
                    for k, v in kept.items()
                    if v is not None
                ]
            native.load_state_dict(entries)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [*([""] if i else []), f"Parameter Group {i}"]
            lines += [f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params"]
        return "\n".join(lines) + "\n)"


class SGD(Optimizer):
    """Stochastic gradient descent.

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr : float
        Learning rate.
    momentum, dampening : float
        ``b = momentum*b + (1 - dampening)*grad``.
    weight_decay : float
        Added to the gradient, times the parameter.
    nesterov : bool
        Look ahead along the momentum.
    maximize : bool
        Climb instead of descending.
    foreach, differentiable, fused : optional
        Accepted, without effect.
    """

    _native = _core._SGD
    _options = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015).

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr : float
        Learning rate.
    betas : tuple of two floats
        How slowly the averages of the gradient and of its square forget.
    eps : float
        Added to the square root of the latter.
    weight_decay : float
        Added to the gradient, times the parameter.
    amsgrad : bool
        Divide by the largest average so far.
    maximize : bool
        Climb instead of descending.
    foreach, capturable, differentiable, fused : optional
        Accepted, without effect.
    """

    _native = _core._Adam
    _options = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    The parameters are those of `Adam`; every step multiplies weights by
    ``1 - lr*weight_decay``.
    """

    _native = _core._AdamW

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

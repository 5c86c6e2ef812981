"""What optimizers share; SGD, Adam and AdamW."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from .. import _core
from .._core import Tensor
from ..autograd import enable_grad, no_grad
from ..nn._hooks import RemovableHandle, _add
from ..nn.parameter import clear_gradients


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


def check_option(name: str, value: float) -> None:
    """Raise PyTorch's error for an option that is negative (or not a number)."""
    if not 0.0 <= value:
        raise ValueError(f"Invalid {name}: {value}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raise PyTorch's error for betas outside [0, 1)."""
    for i, beta in enumerate((betas[0], betas[1])):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


#: Names that programs take from here for annotations and helpers.
ParamsT = Iterable[Any]
params_t = _params_t = ParamsT
StateDict = dict[str, Any]


class _RequiredParameter:
    """Stands for an option that has no default."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()
_foreach_doc = _fused_doc = _maximize_doc = _capturable_doc = _differentiable_doc = ""
_params_doc = ""


def _use_grad_for_differentiable(function: Callable) -> Callable:
    """Let a step be computed without being recorded."""
    return no_grad(function)


def _get_value(x: Any) -> Any:
    return x.item() if isinstance(x, Tensor) else x


def _default_to_fused_or_foreach(
    params: list, differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """Tell which form of a step is best: the plain one, which is planned as a whole anyway."""
    return False, False


def _view_as_real(params: list, *states: list) -> None:
    """Leave real parameters as they are."""


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

    def __init__(self, params: Iterable, defaults: dict[str, Any]):
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}"
            )
        if "lr" in defaults:
            if isinstance(defaults["lr"], Tensor):
                if defaults["lr"].numel() != 1:
                    raise ValueError("Tensor lr must be 1-element")
                defaults["lr"] = defaults["lr"].item()
            check_option("learning rate", defaults["lr"])
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._pre_hooks: dict[int, Callable] = {}
        self._post_hooks: dict[int, Callable] = {}
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        self._pull_state()
        kept = {k: v for k, v in self.__dict__.items() if k not in ("_native_groups", "_state")}
        return {**kept, "state": self.state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({k: v for k, v in state.items() if k != "state"})
        for name in ("_pre_hooks", "_post_hooks"):
            self.__dict__.setdefault(name, {})
        if "state" in state:
            self.state = state["state"]
        for group in self.__dict__.get("param_groups", []):
            for name, value in self.__dict__.get("defaults", {}).items():
                group.setdefault(name, value)
        self._push_state()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = {**param_group, "params": _tensors(param_group["params"])}
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        if len(set(group["params"])) < len(group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; each is updated once",
                stacklevel=3,
            )
            group["params"] = list(dict.fromkeys(group["params"]))
        known = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in known for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(group)

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero."""
        clear_gradients(self._parameters(), set_to_none)

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
        for hook in list(self._pre_hooks.values()):
            hook(self, (closure,), {})
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            self._step_groups()
        for hook in list(self._post_hooks.values()):
            hook(self, (closure,), {})
        return loss

    def _step_groups(self) -> None:
        raise NotImplementedError

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before every step."""
        return _add(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after every step."""
        return _add(self._post_hooks, hook)

    def _pull_state(self) -> None:
        """Bring `state` up to date where something else holds it."""

    def _push_state(self) -> None:
        """Hand `state` on where something else holds it."""

    def state_dict(self) -> dict[str, Any]:
        """Collect what training continues from.

        Returns
        -------
        dict
            ``"state"``: by number of the parameter; ``"param_groups"``: options and numbers.
        """
        self._pull_state()
        numbers = {p: i for i, p in enumerate(self._parameters())}
        state = {numbers[p]: dict(kept) for p, kept in self.state.items() if p in numbers and kept}
        packed = []
        for group in self.param_groups:
            options = {k: v for k, v in group.items() if k != "params"}
            packed.append({**options, "params": [numbers[p] for p in group["params"]]})
        return {"state": dict(sorted(state.items())), "param_groups": packed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` (or PyTorch's) gave.

        Raises
        ------
        ValueError
            Where the groups do not fit; nothing has been changed then.
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
        numbers = [n for group in saved for n in group["params"]]
        loaded: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, p in zip(numbers, self._parameters(), strict=True):
            kept = state_dict["state"].get(number)
            if kept is not None:
                loaded[p] = self._loaded(p, kept)
        for group, new in zip(self.param_groups, saved, strict=True):
            group.update({k: v for k, v in new.items() if k != "params"})
        self.state = loaded
        self._push_state()

    def _loaded(self, p: Tensor, kept: dict[str, Any]) -> dict[str, Any]:
        return dict(kept)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [*([""] if i else []), f"Parameter Group {i}"]
            lines += [f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params"]
        return "\n".join(lines) + "\n)"


_FLAGS = frozenset({"nesterov", "maximize", "amsgrad"})


class NativeOptimizer(Optimizer):
    """Base of optimizers whose step is compiled: one object of the extension per group."""

    _native: type
    _options: tuple[str, ...] = ()
    _counts_steps = True

    def __init__(self, params: Iterable, defaults: dict[str, Any]):
        self._native_groups: list[Any] = []
        self._state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            native = self._native(group["params"], *self._values(group))
        except BaseException:
            self.param_groups.pop()
            raise
        self._native_groups.append(native)

    def __setstate__(self, state: dict[str, Any]) -> None:
        groups = state.get("param_groups", self.__dict__.get("param_groups", []))
        for group in groups:
            for name, value in state.get("defaults", {}).items():
                group.setdefault(name, value)
        self._native_groups = [self._native(g["params"], *self._values(g)) for g in groups]
        self._state = defaultdict(dict)
        super().__setstate__(state)

    def _values(self, group: dict[str, Any]) -> list[Any]:
        """The options of a group, flags taken by their truth, as in PyTorch."""
        return [
            bool(group[name]) if name in _FLAGS and group[name] is not True else group[name]
            for name in self._options
        ]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zero."""
        if not set_to_none:
            super().zero_grad(False)
            return
        for native in self._native_groups:
            native.zero_grad()

    def _step_groups(self) -> None:
        natives = self._native_groups
        if len(natives) > 1:
            _core._eval([g for g in (p.grad for p in self._parameters()) if g is not None])
        for native, group in zip(natives, self.param_groups, strict=True):
            native.set(*self._values(group))
            native.step()

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        """What is kept for every parameter: copies."""
        if self._native_groups:
            self._pull_state()
        return self._state

    @state.setter
    def state(self, value: dict[Tensor, dict[str, Any]]) -> None:
        self._state = value

    def _pull_state(self) -> None:
        # What a caller put beside the native entries stays.
        for native, group in zip(self._native_groups, self.param_groups, strict=True):
            for name, value in native.state_dict():
                kind, number, key = name.split(".", 2)
                if kind != "state" or (key == "step" and not self._counts_steps):
                    continue
                self._state[group["params"][int(number)]][key] = (
                    value.float() if key == "step" else value
                )

    def _push_state(self) -> None:
        for native, group in zip(self._native_groups, self.param_groups, strict=True):
            native.set(*self._values(group))
            entries = [(n, v) for n, v in native.state_dict() if not n.startswith("state.")]
            for i, p in enumerate(group["params"]):
                kept = {k: v for k, v in self._state.get(p, {}).items() if v is not None}
                if kept and not self._counts_steps:
                    kept = {**kept, "step": 1}
                for key, value in kept.items():
                    tensor = value if isinstance(value, Tensor) else _core.full((), value)
                    if key == "step":
                        tensor = tensor.long()
                    entries.append((f"state.{i}.{key}", tensor))
            native.load_state_dict(entries)


class SGD(NativeOptimizer):
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
    _counts_steps = False
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
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )


class Adam(NativeOptimizer):
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
    _decoupled = False
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
        check_betas(betas)
        if len({isinstance(beta, float) for beta in betas[:2]}) > 1:
            raise ValueError("betas must be either both floats or both Tensors")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas[:2]),
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": self._decoupled,
            },
        )


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    The parameters are those of `Adam`; every step multiplies weights by
    ``1 - lr*weight_decay``.
    """

    _native = _core._AdamW
    _decoupled = True

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
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
        )

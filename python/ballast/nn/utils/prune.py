"""Masks that keep parts of a module's parameters at zero, as ``torch.nn.utils.prune``.

A pruned parameter ``NAME`` is kept whole as the parameter ``NAME_orig`` beside a buffer
``NAME_mask``; a hook before every call makes the attribute ``NAME`` of both. `remove` leaves the
product as an ordinary parameter.
"""

from __future__ import annotations

import abc
import numbers
from collections.abc import Iterable, Iterator
from typing import Any

from ... import linalg
from ..._core import Tensor, kthvalue, ones_like, rand, rand_like, split, topk, zeros_like
from ..module import Module
from .convert_parameters import parameters_to_vector
from .parametrize import compute_missing

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


def _check_shape(scores: Tensor, tensor: Tensor, named: str) -> None:
    if scores.shape != tensor.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as {named}, got {scores.shape} vs "
            f"{tensor.shape}"
        )


def _hooks(module: Module) -> Iterator[tuple[int, BasePruningMethod]]:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod):
            yield key, hook


class BasePruningMethod(abc.ABC):
    """Makes masks of one kind; a program's own kinds derive from it.

    A kind has `compute_mask` and says by ``PRUNING_TYPE`` which entries it is shown when it is
    applied to what is pruned already: ``"unstructured"`` those that are left, ``"structured"`` the
    slices along ``dim`` that are not all zero, ``"global"`` all.
    """

    PRUNING_TYPE: str
    _tensor_name: str | None = None

    def __call__(self, module: Module, inputs: Any) -> None:
        """Set the attribute that a call of the module reads."""
        assert self._tensor_name is not None
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abc.abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Make a mask from the importance of entries and the mask that there is."""

    def apply_mask(self, module: Module) -> Tensor:
        """Multiply the mask into the whole parameter."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        whole = getattr(module, f"{name}_orig")
        return getattr(module, f"{name}_mask").to(dtype=whole.dtype) * whole

    @classmethod
    def apply(
        cls,
        module: Module,
        name: str,
        *args: Any,
        importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> BasePruningMethod:
        """Prune a parameter, on top of what has been pruned of it.

        Parameters
        ----------
        module : Module
            Whose parameter.
        name : str
            The parameter's name.
        *args, **kwargs
            What the kind is made of.
        importance_scores : Tensor, optional
            How important the entries are; else their values are.

        Returns
        -------
        BasePruningMethod
            The hook: of this kind, or a `PruningContainer` of all kinds that were applied.
        """
        before = [(key, hook) for key, hook in _hooks(module) if hook._tensor_name == name]
        if len(before) > 1:
            raise AssertionError(
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module "
                f"{module}. Use a PruningContainer."
            )
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        for _, hook in before:
            container = hook if isinstance(hook, PruningContainer) else PruningContainer(hook)
            container.add_pruning_method(method)
            method = container
        current = getattr(module, name)
        scores = current if importance_scores is None else importance_scores
        _check_shape(scores, current, f"parameter {name} of {module}")
        if before:
            mask = getattr(module, f"{name}_mask").detach().clone()
        else:
            module.register_parameter(f"{name}_orig", current)
            del module._parameters[name]
            compute_missing(module)
            mask = ones_like(current)
        try:
            made = method.compute_mask(scores, default_mask=mask)
            module.register_buffer(f"{name}_mask", made)
            setattr(module, name, method.apply_mask(module))
        except Exception:
            if isinstance(method, PruningContainer):
                method._pruning_methods = method._pruning_methods[:-1]
            else:
                del module._parameters[f"{name}_orig"]
                module.register_parameter(name, current)
            raise
        for key, _ in before:
            del module._forward_pre_hooks[key]
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self,
        t: Tensor,
        default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:
        """Multiply a tensor by a mask that is made for it."""
        scores = t if importance_scores is None else importance_scores
        _check_shape(scores, t, "tensor t")
        mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module: Module) -> None:
        """Leave the product as an ordinary parameter; the hook stays."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        value = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        whole = module._parameters.pop(f"{name}_orig")
        whole.data = value.data
        del module._buffers[f"{name}_mask"]
        module.register_parameter(name, whole)


class PruningContainer(BasePruningMethod):
    """The kinds that were applied to one parameter, one after the other."""

    def __init__(self, *args: BasePruningMethod):
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Append a kind that is for the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Let the last kind prune what the ones before it have left."""
        method = self._pruning_methods[-1]
        where = _shown(method, t, default_mask)
        mask = default_mask.to(dtype=t.dtype).clone()
        part = method.compute_mask(t[where], default_mask=default_mask[where])
        mask[where] = part.to(dtype=mask.dtype)
        return mask


def _shown(method: BasePruningMethod, t: Tensor, mask: Tensor) -> Any:
    kind = method.PRUNING_TYPE
    if kind == "unstructured":
        return mask == 1
    if kind == "global":
        return (slice(None),) * t.dim()
    if kind != "structured":
        raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
    if not hasattr(method, "dim"):
        raise AttributeError(
            'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
        )
    dim = method.dim + t.dim() if method.dim < 0 else method.dim
    if dim < 0:
        raise IndexError(f"Index is out of bounds for tensor with dimensions {t.dim()}")
    left = mask.sum(dim=[d for d in range(t.dim()) if d != dim]) != 0
    return (*[slice(None)] * dim, left)


class Identity(BasePruningMethod):
    """Prunes nothing: there are the names of a pruned parameter, and a mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Return the mask that there is."""
        return default_mask


class _Amount(BasePruningMethod):
    """A kind that prunes a number of entries or slices, or a part of them."""

    def __init__(self, amount: float):
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if amount < 0 or (not isinstance(amount, numbers.Integral) and amount > 1):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
                "integer"
            )
        self.amount = amount

    def _count(self, size: int) -> int:
        """Count what is pruned of `size`."""
        whole = isinstance(self.amount, numbers.Integral)
        count = int(self.amount) if whole else round(self.amount * size)
        if count > size:
            raise ValueError(
                f"amount={count} should be smaller than the number of parameters to prune={size}"
            )
        return count


class _Entries(_Amount):
    PRUNING_TYPE = "unstructured"

    def _pruned(self, t: Tensor, count: int) -> Tensor:
        """List the positions of the entries to prune."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Let entries be zero in the mask."""
        count = self._count(t.nelement())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[self._pruned(t, count)] = 0
        return mask


class RandomUnstructured(_Entries):
    """Prunes entries at random: `amount` of them, or that part of all where it is a float."""

    def _pruned(self, t: Tensor, count: int) -> Tensor:
        return topk(rand_like(t).view(-1), k=count).indices


class L1Unstructured(_Entries):
    """Prunes the entries of smallest absolute value: `amount` of them, or that part of all."""

    def _pruned(self, t: Tensor, count: int) -> Tensor:
        return topk(t.abs().reshape(-1), k=count, largest=False).indices


class _Slices(_Amount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1):
        super().__init__(amount)
        self.dim = dim

    def _kept(self, t: Tensor, size: int, count: int) -> Tensor:
        """List or mark the slices to keep."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Let slices along `dim` be zero in the mask."""
        if t.dim() <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor "
                f"of shape {t.shape} with {t.dim()} dims"
            )
        if self.dim >= t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        size = t.shape[self.dim]
        count = self._count(size)
        if not count:
            return default_mask
        mask = zeros_like(t)
        where: list[Any] = [slice(None)] * t.dim()
        where[self.dim] = self._kept(t, size, count)
        mask[tuple(where)] = 1
        return mask * default_mask.to(dtype=mask.dtype)


class RandomStructured(_Slices):
    """Prunes slices along `dim` at random: `amount` of them, or that part of all."""

    def _kept(self, t: Tensor, size: int, count: int) -> Tensor:
        drawn = rand(size)
        return drawn > kthvalue(drawn, k=count).values


class LnStructured(_Slices):
    """Prunes the slices along `dim` of smallest `n`-norm: `amount` of them, or that part of all."""

    def __init__(self, amount: float, n: Any, dim: int = -1):
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t: Tensor, size: int, count: int) -> Tensor:
        others = list(range(t.dim()))
        del others[self.dim]
        matrices = len(others) == 2
        if self.n == "nuc" or (self.n == "fro" and matrices):
            dim = tuple(others) if matrices else (-2, -1)
            norms = linalg.matrix_norm(t, ord=self.n, dim=dim)
        else:
            norms = linalg.vector_norm(t, ord=2 if self.n == "fro" else self.n, dim=others)
        return topk(norms, k=size - count, largest=True).indices


class CustomFromMask(BasePruningMethod):
    """Prunes where a mask of the parameter's shape is zero."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor):
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Multiply the two masks."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)


def identity(module: Module, name: str) -> Module:
    """Give a parameter the names of a pruned one, and prune nothing; returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune entries at random: `amount` of them, or that part of all; returns the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: float, importance_scores: Tensor | None = None
) -> Module:
    """Prune the entries of smallest absolute value or score; returns the module."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune slices along `dim` at random: `amount` of them, or that part; returns the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module,
    name: str,
    amount: float,
    n: Any,
    dim: int,
    importance_scores: Tensor | None = None,
) -> Module:
    """Prune the slices along `dim` of smallest `n`-norm; returns the module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters as if they were one.

    Parameters
    ----------
    parameters : iterable of (Module, str)
        Modules and names of their parameters.
    pruning_method : class
        A kind for single entries, such as `L1Unstructured`.
    importance_scores : dict, optional
        How important the entries of some of the parameters are.
    **kwargs
        What the kind is made of, such as `amount`.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    if importance_scores is not None and not isinstance(importance_scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    known = importance_scores or {}
    tensors = [getattr(module, name) for module, name in pairs]
    scores = parameters_to_vector(
        [known.get((m, n), t) for (m, n), t in zip(pairs, tensors, strict=True)]
    )
    masks = [getattr(m, f"{n}_mask", None) for m, n in pairs]
    before = parameters_to_vector(
        [ones_like(t) if k is None else k for k, t in zip(masks, tensors, strict=True)]
    )
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    mask = PruningContainer(method).compute_mask(scores, before)
    sizes = [t.numel() for t in tensors]
    for (module, name), t, part in zip(pairs, tensors, split(mask, sizes), strict=True):
        custom_from_mask(module, name, mask=part.view(t.shape))


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune where a mask of the parameter's shape is zero; returns the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: Module, name: str) -> Module:
    """Leave a pruned parameter as an ordinary one, with zeros where it is pruned."""
    for key, hook in _hooks(module):
        if hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module or of one inside it is pruned."""
    return any(True for inner in module.modules() for _ in _hooks(inner))

"""Parameters computed from others, as ``torch.nn.utils.parametrize``."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

from ..._core import Tensor
from ...autograd import no_grad
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

_cache: dict[tuple[int, str], Tensor] | None = None


class Computed(dict):
    """Parameters of a module, of which some are computed: those it asks the module for."""

    def __init__(self, module: Module):
        super().__init__(module._parameters)
        self.module = module

    def __missing__(self, name: str) -> Any:
        return getattr(self.module, name)

    def __reduce__(self):
        return _computed_of, (self.module,), None, None, iter(self.items())

    def __deepcopy__(self, memo: dict) -> Computed:
        out = Computed.__new__(Computed)
        memo[id(self)] = out
        out.module = copy.deepcopy(self.module, memo)
        out.update({k: copy.deepcopy(v, memo) for k, v in self.items()})
        return out


def _computed_of(module: Module) -> Computed:
    out = Computed.__new__(Computed)
    out.module = module
    return out


def compute_missing(module: Module) -> None:
    """Let a module look for parameters that are not there among its attributes."""
    if not isinstance(module._parameters, Computed):
        module.__dict__["_parameters"] = Computed(module)


class ParametrizationList(ModuleList):
    """What computes one parameter: modules, and the parameters that the first one takes.

    Parameters
    ----------
    modules : list of Module
        One after the other; each may have a ``right_inverse``.
    original : Tensor
        The parameter that is replaced.
    unsafe : bool
        Whether shape and type may change.
    """

    def __init__(self, modules: list[Module], original: Tensor, unsafe: bool = False):
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype, requires_grad = original.shape, original.dtype, original.requires_grad
        start: Any = original
        with no_grad():
            for module in reversed(self):
                if hasattr(module, "right_inverse"):
                    start = module.right_inverse(start)
        self.is_tensor = isinstance(start, Tensor)
        self.ntensors = 1 if self.is_tensor else len(start)
        for name, value in zip(self._names(), [start] if self.is_tensor else start, strict=True):
            if isinstance(original, Parameter):
                kept = value if value is original else Parameter(value.detach(), requires_grad)
                self.register_parameter(name, kept)
            else:
                self.register_buffer(name, value)
        if not unsafe:
            with no_grad():
                made = self()
            if made.shape != shape or made.dtype is not dtype:
                raise ValueError(
                    "Registering a parametrization may not change the shape or the dtype of the "
                    f"tensor: {tuple(shape)} {dtype} became {tuple(made.shape)} {made.dtype}"
                )

    def _names(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def forward(self) -> Tensor:
        """Compute the parameter."""
        first, *others = self
        value = first(*(getattr(self, name) for name in self._names()))
        for module in others:
            value = module(value)
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Change what the parameter is computed from, so that it becomes `value`."""
        with no_grad():
            for module in reversed(self):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            parts = [value] if self.is_tensor else value
            for name, part in zip(self._names(), parts, strict=True):
                getattr(self, name).copy_(part)


def _property(name: str) -> property:
    def read(self: Module) -> Tensor:
        if _cache is None:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def write(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a parameter of a module (or that one) is computed."""
    lists = getattr(module, "parametrizations", None)
    if not isinstance(lists, ModuleDict):
        return False
    return len(lists) > 0 if tensor_name is None else tensor_name in lists


def type_before_parametrizations(module: Module) -> type:
    """The class of a module, as if no parameter were computed."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Compute a parameter of a module by another module, from now on.

    Parameters
    ----------
    module : Module
        Whose parameter.
    tensor_name : str
        The parameter's name.
    parametrization : Module
        From the former parameter (or what its ``right_inverse`` makes of it) to the new one.
    unsafe : bool
        Whether shape and type may change.

    Returns
    -------
    Module
        `module`; its state has ``parametrizations.NAME.original`` in the parameter's place.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        module.parametrizations[tensor_name].append(parametrization)
        return module
    original = module._parameters.get(tensor_name)
    if original is None:
        original = module._buffers.get(tensor_name)
    if original is None:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    made = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        cls = type(module)
        module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), {"__module__": __name__})
        module.parametrizations = ModuleDict()
        compute_missing(module)
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = made
    return module


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a computed parameter an ordinary one again.

    Parameters
    ----------
    module : Module
        Whose parameter.
    tensor_name : str
        The parameter's name.
    leave_parametrized : bool
        Whether it keeps the computed value, else the one it is computed from.

    Returns
    -------
    Module
        `module`.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    made = module.parametrizations[tensor_name]
    if not leave_parametrized and not made.is_tensor:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    with no_grad():
        value = getattr(module, tensor_name) if leave_parametrized else made.original
    source = getattr(made, made._names()[0])
    del module.parametrizations[tensor_name]
    delattr(type(module), tensor_name)
    if isinstance(source, Parameter):
        kept = Parameter(value.detach().clone(), source.requires_grad)
        module.register_parameter(tensor_name, kept)
    else:
        module.register_buffer(tensor_name, value)
    if not len(module.parametrizations):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Compute every parameter once within the block."""
    global _cache
    before, _cache = _cache, {} if _cache is None else _cache
    try:
        yield
    finally:
        _cache = before

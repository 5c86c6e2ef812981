"""Weights computed by a hook before every call: the older ``weight_norm`` and ``spectral_norm``."""

from __future__ import annotations

from typing import Any

from ... import _core
from ..._core import Tensor
from ...autograd import no_grad
from .. import functional as F
from ..module import Module
from ..parameter import Parameter
from .parametrizations import as_matrix, norm_except, output_dim
from .parametrize import compute_missing

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


class _Hook:
    """Computes the attribute `name` of a module before it is called."""

    kind = ""
    name: str

    def compute(self, module: Module) -> Tensor:
        raise NotImplementedError

    def parts(self) -> list[str]:
        raise NotImplementedError

    def install(self, module: Module) -> Module:
        """Hook in, and compute a first time."""
        for hook in module._forward_pre_hooks.values():
            if type(hook) is type(self) and hook.name == self.name:
                raise RuntimeError(
                    f"Cannot register two {self.kind} hooks on the same parameter {self.name}"
                )
        compute_missing(module)
        setattr(module, self.name, self.compute(module))
        module.register_forward_pre_hook(self)
        return module

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))

    def remove(self, module: Module) -> None:
        """Leave the computed value as an ordinary parameter."""
        with no_grad():
            value = self.compute(module)
        for key in (self.name, *self.parts()):
            delattr(module, key)
        module.register_parameter(self.name, Parameter(value.detach().clone()))


class _WeightNorm(_Hook):
    kind = "weight_norm"

    def __init__(self, name: str, dim: int | None):
        self.name = name
        self.dim = -1 if dim is None else dim

    def parts(self) -> list[str]:
        return [f"{self.name}_g", f"{self.name}_v"]

    def compute(self, module: Module) -> Tensor:
        g, v = (getattr(module, part) for part in self.parts())
        return v * (g / norm_except(v, self.dim))


class _SpectralNorm(_Hook):
    kind = "spectral_norm"

    def __init__(self, name: str, iterations: int, dim: int, eps: float):
        if iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={iterations}"
            )
        self.name, self.iterations, self.dim, self.eps = name, iterations, dim, eps
        self.iterate = True

    def parts(self) -> list[str]:
        return [f"{self.name}_{part}" for part in ("orig", "u", "v")]

    def compute(self, module: Module) -> Tensor:
        weight, u, v = (getattr(module, part) for part in self.parts())
        matrix = as_matrix(weight, self.dim)
        if self.iterate and module.training:
            with no_grad():
                new_u, new_v = u, v
                for _ in range(self.iterations):
                    new_v = F.normalize(matrix.t().mv(new_u), dim=0, eps=self.eps)
                    new_u = F.normalize(matrix.mv(new_v), dim=0, eps=self.eps)
                u.copy_(new_u)
                v.copy_(new_v)
        return weight / u.clone().dot(matrix.mv(v.clone()))

    def remove(self, module: Module) -> None:
        self.iterate = False
        super().remove(module)


def _taken(module: Module, name: str) -> Parameter:
    parameter = module._parameters.get(name)
    if parameter is None:
        raise ValueError(f"{type(module).__name__} has no parameter '{name}'")
    del module._parameters[name]
    return parameter


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Split a weight into length ``NAME_g`` and direction ``NAME_v`` (Salimans and Kingma, 2016).

    Parameters
    ----------
    module : Module
        Whose weight.
    name : str
        The parameter's name.
    dim : int or None
        Every slice of it has a length of its own; None: one for all.

    Returns
    -------
    Module
        `module`.
    """
    hook = _WeightNorm(name, dim)
    weight = _taken(module, name)
    with no_grad():
        lengths = norm_except(weight, hook.dim)
    module.register_parameter(f"{name}_g", Parameter(lengths.detach()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    return hook.install(module)


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight, ``NAME_orig``, by its largest singular value (Miyato et al., 2018).

    Parameters
    ----------
    module : Module
        Whose weight.
    name : str
        The parameter's name.
    n_power_iterations : int
        Steps of the power method in every training step.
    eps : float
        Least length that is divided by.
    dim : int, optional
        The dimension that counts the outputs.

    Returns
    -------
    Module
        `module`.
    """
    hook = _SpectralNorm(name, n_power_iterations, output_dim(module) if dim is None else dim, eps)
    weight = _taken(module, name)
    module.register_parameter(f"{name}_orig", weight)
    for part, size in zip("uv", as_matrix(weight, hook.dim).shape, strict=True):
        drawn = _core.empty(size, dtype=weight.dtype).normal_(0, 1)
        module.register_buffer(f"{name}_{part}", F.normalize(drawn, dim=0, eps=eps))
    hook.iterate = False  # the first value is that of the vectors as they were drawn
    hook.install(module)
    hook.iterate = True
    return module


def _remove(module: Module, name: str, kind: type[_Hook]) -> Module:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"{kind.kind} of '{name}' not found in {module}")


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Take `weight_norm` back; the weight keeps its value."""
    return _remove(module, name, _WeightNorm)


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Take `spectral_norm` back; the weight keeps its value."""
    return _remove(module, name, _SpectralNorm)

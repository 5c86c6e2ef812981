"""Weights of unit norm, as ``torch.nn.utils.parametrizations``."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor
from ...autograd import no_grad
from .. import conv
from .. import functional as F
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


def norm_except(v: Tensor, dim: int) -> Tensor:
    """Norms of the slices of `dim`; of all elements for -1, PyTorch's "over everything"."""
    if dim == -1:
        return v.norm()
    others = [d for d in range(v.dim()) if d != dim % v.dim()]
    return _core._vector_norm(v, 2.0, others, True)


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        """Give `weight_v` the lengths `weight_g`."""
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Norms and the weight."""
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Split a weight into length and direction (Salimans and Kingma, 2016).

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
        `module`, whose parameters are ``parametrizations.NAME.original0`` (lengths) and
        ``original1``.
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix whose rows are the slices of `dim`."""
    return weight.movedim(dim, 0).flatten(1)


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float):
        super().__init__()
        rank = weight.dim()
        if not -rank <= dim < rank:
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[-{rank}, {rank - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps = dim % rank, eps
        if rank > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            for key, size in zip(("_u", "_v"), matrix.shape, strict=True):
                drawn = _core.empty(size, dtype=weight.dtype).normal_(0, 1)
                self.register_buffer(key, F.normalize(drawn, dim=0, eps=eps))
            self._power_method(matrix, 15)

    @no_grad()
    def _power_method(self, matrix: Tensor, iterations: int) -> None:
        u, v = self._u, self._v
        for _ in range(iterations):
            u = F.normalize(matrix.mv(v), dim=0, eps=self.eps)
            v = F.normalize(matrix.t().mv(u), dim=0, eps=self.eps)
        self._u.copy_(u)
        self._v.copy_(v)

    def forward(self, weight: Tensor) -> Tensor:
        """Divide by the largest singular value."""
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / u.dot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value


def output_dim(module: Module) -> int:
    """The dimension of a weight that counts the outputs."""
    transposed = (conv.ConvTranspose1d, conv.ConvTranspose2d, conv.ConvTranspose3d)
    return 1 if isinstance(module, transposed) else 0


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value (Miyato et al., 2018).

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
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    dim = output_dim(module) if dim is None else dim
    return register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, dim, eps)
    )

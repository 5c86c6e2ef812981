"""Functions with an inverse and a derivative, as ``torch.distributions.transforms``."""

from __future__ import annotations

import math

import ballast as torch

from .._core import Tensor
from ..nn import functional as F  # noqa: N812
from . import constraints


class Transform:
    """A function of values; ``t.inv`` is its inverse."""

    bijective = True
    domain: constraints.Constraint = constraints.real
    codomain: constraints.Constraint = constraints.real
    sign: int | Tensor = 1

    def __init__(self, cache_size: int = 0):
        self._cache_size = cache_size

    @property
    def event_dim(self) -> int:
        """How many dimensions a value has."""
        return self.domain.event_dim

    @property
    def inv(self) -> Transform:
        """Its inverse."""
        return _Inverse(self)

    def __call__(self, x: Tensor) -> Tensor:
        """Compute."""
        return self._call(x)

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Logarithm of the determinant's magnitude at ``y = t(x)``."""
        raise NotImplementedError

    def forward_shape(self, shape):
        """The shape of results."""
        return shape

    def inverse_shape(self, shape):
        """The shape of arguments."""
        return shape

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    """Undoes another one."""

    def __init__(self, of: Transform):
        super().__init__()
        self._of = of
        self.domain, self.codomain, self.sign = of.codomain, of.domain, of.sign

    @property
    def inv(self) -> Transform:
        """What it is the inverse of."""
        return self._of

    def _call(self, x: Tensor) -> Tensor:
        return self._of._inverse(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._of._call(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._of.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._of.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._of.forward_shape(shape)


class ComposeTransform(Transform):
    """One transform after the other."""

    def __init__(self, parts, cache_size: int = 0):
        super().__init__(cache_size)
        self.parts = list(parts)

    @property
    def domain(self):
        """The first part's."""
        return self.parts[0].domain if self.parts else constraints.real

    @property
    def codomain(self):
        """The last part's."""
        return self.parts[-1].codomain if self.parts else constraints.real

    @property
    def sign(self):
        """The product of the parts'."""
        sign = 1
        for part in self.parts:
            sign = sign * part.sign
        return sign

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part._inverse(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of the parts'."""
        total, dims = torch.zeros_like(x.detach()), max(p.event_dim for p in self.parts)
        total = _sum(total, dims)
        for part in self.parts:
            result = part(x)
            total = total + _sum(part.log_abs_det_jacobian(x, result), dims - part.event_dim)
            x = result
        return total

    def forward_shape(self, shape):
        """The last part's."""
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        """The first part's."""
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape


def _sum(value: Tensor, dims: int) -> Tensor:
    return value if dims == 0 else value.reshape(*value.shape[: value.dim() - dims], -1).sum(-1)


class ExpTransform(Transform):
    """exp(x)."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Give x."""
        return x


class AffineTransform(Transform):
    """loc + scale*x."""

    def __init__(self, loc, scale, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc, self.scale, self._dims = loc, scale, event_dim
        if event_dim:
            self.domain = self.codomain = constraints.independent(constraints.real, event_dim)

    @property
    def sign(self):
        """The scale's."""
        return self.scale.sign() if isinstance(self.scale, Tensor) else (self.scale > 0) * 2 - 1

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Give the logarithm of the scale's magnitude."""
        if isinstance(self.scale, Tensor):
            return _sum(self.scale.abs().log().expand(x.shape), self._dims)
        return _sum(torch.full_like(x.detach(), math.log(abs(self.scale))), self._dims)


class SigmoidTransform(Transform):
    """1/(1 + exp(-x))."""

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        limits = torch.finfo(x.dtype)
        return x.sigmoid().clamp(min=limits.tiny, max=1.0 - limits.eps)

    def _inverse(self, y: Tensor) -> Tensor:
        limits = torch.finfo(y.dtype)
        y = y.clamp(min=limits.tiny, max=1.0 - limits.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Logarithm of the derivative."""
        return -F.softplus(-x) - F.softplus(x)


class TanhTransform(Transform):
    """tanh(x)."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Logarithm of the derivative."""
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class SoftplusTransform(Transform):
    """log(1 + exp(x))."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return F.softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Logarithm of the derivative."""
        return -F.softplus(-x)


class PowerTransform(Transform):
    """x to a power."""

    domain = codomain = constraints.positive

    def __init__(self, exponent, cache_size: int = 0):
        super().__init__(cache_size)
        self.exponent = torch.as_tensor(exponent)

    def _call(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Logarithm of the derivative."""
        return (self.exponent * y / x).abs().log()


class AbsTransform(Transform):
    """|x|, whose inverse is itself."""

    bijective = False
    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class SoftmaxTransform(Transform):
    """Softmax over the last dimension."""

    bijective = False
    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return x.softmax(-1)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()


class StickBreakingTransform(Transform):
    """Turns n numbers into n + 1 that sum to 1, one after the other off what is left."""

    domain, codomain = constraints.real_vector, constraints.simplex

    def _offset(self, x: Tensor, n: int) -> Tensor:
        return torch.arange(n, 0, -1, dtype=x.dtype)

    def _call(self, x: Tensor) -> Tensor:
        part = (x - self._offset(x, x.shape[-1]).log()).sigmoid()
        left = (1 - part).cumprod(-1)
        one = torch.ones_like(x[..., :1])
        return torch.cat([part, one], -1) * torch.cat([one, left], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        head = y[..., :-1]
        left = (1 - head.cumsum(-1)).clamp(min=torch.finfo(y.dtype).tiny)
        return head.log() - left.log() + self._offset(y, head.shape[-1]).log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Logarithm of the determinant."""
        x = x - self._offset(x, x.shape[-1]).log()
        return (-x + F.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        """One more."""
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape):
        """One less."""
        return (*shape[:-1], shape[-1] - 1)


class IndependentTransform(Transform):
    """Takes more dimensions of a transform as one event's."""

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size=0):
        super().__init__(cache_size)
        self.base_transform = base_transform
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        n = reinterpreted_batch_ndims
        self.domain = constraints.independent(base_transform.domain, n)
        self.codomain = constraints.independent(base_transform.codomain, n)

    def _call(self, x: Tensor) -> Tensor:
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base_transform._inverse(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of the parts'."""
        value = self.base_transform.log_abs_det_jacobian(x, y)
        return _sum(value, self.reinterpreted_batch_ndims)


identity_transform = ComposeTransform([])

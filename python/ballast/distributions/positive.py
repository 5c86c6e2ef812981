"""Continuous distributions of positive numbers, and of numbers that sum to 1."""

from __future__ import annotations

import math

import ballast as torch

from .. import _core
from .._core import Tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily, broadcast_all
from .location import Normal


class _Gamma(torch.autograd.Function):
    """Draws gamma variates; their derivative keeps the probability of values up to them."""

    @staticmethod
    def forward(ctx, concentration: Tensor) -> Tensor:
        drawn = _core._gamma_variates(concentration.detach().double().contiguous(), None)
        drawn = drawn.to(concentration.dtype)
        ctx.save_for_backward(concentration, drawn)
        return drawn

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        a, x = (t.detach().double() for t in ctx.saved_tensors)
        h = 1e-4 * a
        slope = (
            8 * (torch.igamma(a + h, x) - torch.igamma(a - h, x))
            - (torch.igamma(a + 2 * h, x) - torch.igamma(a - 2 * h, x))
        ) / (12 * h)
        log_density = (a - 1) * x.log() - x - torch.lgamma(a)
        return grad * (-slope * (-log_density).exp()).to(grad.dtype)


def _standard_gamma(concentration: Tensor) -> Tensor:
    return _Gamma.apply(concentration)


def _no_gradient(kind: str, *parameters: Tensor) -> None:
    if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
        raise NotImplementedError(
            f"{kind}.rsample has no derivative in Ballast: draw with sample(), or with Gamma's "
            "rsample, divided by its sum"
        )


class Exponential(ExponentialFamily):
    """Waiting times of events that come at a rate."""

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _expanded = {"rate": 0}

    def __init__(self, rate, validate_args: bool | None = None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """One over the rate."""
        return self.rate.reciprocal()

    stddev = mean

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return torch.zeros_like(self.rate.detach())

    @property
    def variance(self) -> Tensor:
        """One over the rate squared."""
        return self.rate.pow(-2)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the rate."""
        shape = self._extended_shape(sample_shape)
        return torch.empty(shape, dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        self._validate_sample(value)
        return 1 - torch.exp(-self.rate * value)

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        return -torch.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        """The entropy."""
        return 1.0 - torch.log(self.rate)


class Gamma(ExponentialFamily):
    """The gamma distribution."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _expanded = {"concentration": 0, "rate": 0}

    def __init__(self, concentration, rate, validate_args: bool | None = None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The concentration divided by the rate."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        """The concentration divided by the rate squared."""
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        shape = self._extended_shape(sample_shape)
        value = _standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        return value.clamp(min=torch.finfo(value.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        value = torch.as_tensor(value, dtype=self.rate.dtype)
        self._validate_sample(value)
        a, b = self.concentration, self.rate
        return torch.xlogy(a, b) + torch.xlogy(a - 1, value) - b * value - torch.lgamma(a)

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        self._validate_sample(value)
        return torch.special.gammainc(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        """The entropy."""
        a = self.concentration
        return a - self.rate.log() + torch.lgamma(a) + (1.0 - a) * torch.digamma(a)


class Chi2(Gamma):
    """The distribution of the sum of squares of `df` normal variables."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df, validate_args: bool | None = None):
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Tensor:
        """Degrees of freedom."""
        return self.concentration * 2


class StudentT(Distribution):
    """Student's t distribution."""

    arg_constraints = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True
    _expanded = {"df": 0, "loc": 0, "scale": 0}

    def __init__(self, df, loc=0.0, scale=1.0, validate_args: bool | None = None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The location, where there is a mean."""
        return torch.where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        """The location."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance: infinite, or none, where the tails are heavy."""
        finite = self.scale.pow(2) * self.df / (self.df - 2)
        heavy = torch.where(self.df > 1, math.inf, torch.full_like(self.df.detach(), math.nan))
        return torch.where(self.df > 2, finite, heavy)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        shape = self._extended_shape(sample_shape)
        x = torch.randn(shape, dtype=self.df.dtype)
        z = Chi2(self.df).expand(self._batch_shape).rsample(sample_shape)
        return self.loc + self.scale * x * torch.rsqrt(z / self.df)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        y = (value - self.loc) / self.scale
        scale = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi)
        norm = scale + torch.lgamma(0.5 * self.df) - torch.lgamma(0.5 * (self.df + 1.0))
        return -0.5 * (self.df + 1.0) * torch.log1p(y**2.0 / self.df) - norm


class Dirichlet(ExponentialFamily):
    """A distribution of probabilities."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _expanded = {"concentration": 1}

    def __init__(self, concentration: Tensor, validate_args: bool | None = None):
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The concentration, divided by its sum."""
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def variance(self) -> Tensor:
        """The variance of every part."""
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw PyTorch's numbers for the same seed; there is no derivative."""
        _no_gradient(type(self).__name__, self.concentration)
        a = self.concentration.detach().expand(self._extended_shape(sample_shape))
        drawn = _core._gamma_variates(a.double().contiguous(), None)
        limits = torch.finfo(a.dtype)
        parts = (drawn / drawn.sum(-1, keepdim=True)).to(a.dtype)
        return parts.clamp(limits.tiny, 1 - limits.eps / 2)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        a = self.concentration
        powers = torch.xlogy(a - 1.0, value).sum(-1)
        return powers + torch.lgamma(a.sum(-1)) - torch.lgamma(a).sum(-1)

    def entropy(self) -> Tensor:
        """The entropy."""
        a = self.concentration
        k, total = a.size(-1), a.sum(-1)
        norm = torch.lgamma(a).sum(-1) - torch.lgamma(total) - (k - total) * torch.digamma(total)
        return norm - ((a - 1.0) * torch.digamma(a)).sum(-1)


class Beta(ExponentialFamily):
    """A distribution of one probability."""

    arg_constraints = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args: bool | None = None):
        a, b = broadcast_all(concentration1, concentration0)
        self._dirichlet = Dirichlet(torch.stack([a, b], -1), validate_args=validate_args)
        super().__init__(self._dirichlet.batch_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """Make a distribution of more variables with the same parameters."""
        new = super().expand(batch_shape, _instance)
        new._dirichlet = self._dirichlet.expand(batch_shape)
        return new

    @property
    def concentration1(self) -> Tensor:
        """Pulls to 1."""
        return self._dirichlet.concentration[..., 0]

    @property
    def concentration0(self) -> Tensor:
        """Pulls to 0."""
        return self._dirichlet.concentration[..., 1]

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw PyTorch's numbers for the same seed; there is no derivative."""
        return self._dirichlet.rsample(sample_shape).select(-1, 0)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        return self._dirichlet.log_prob(torch.stack([value, 1.0 - value], -1))

    def entropy(self) -> Tensor:
        """The entropy."""
        return self._dirichlet.entropy()


class HalfNormal(Distribution):
    """The magnitude of a normal variable of mean 0."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _expanded = {"scale": 0}

    def __init__(self, scale, validate_args: bool | None = None):
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @property
    def _normal(self) -> Normal:
        return Normal(torch.zeros_like(self.scale.detach()), self.scale, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return torch.zeros_like(self.scale.detach())

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale.pow(2) * (1 - 2 / math.pi)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the scale."""
        return self._normal.rsample(sample_shape).abs()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        return self._normal.log_prob(value) + math.log(2)

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        return 2 * self._normal.cdf(value) - 1

    def entropy(self) -> Tensor:
        """The entropy."""
        return self._normal.entropy() - math.log(2)

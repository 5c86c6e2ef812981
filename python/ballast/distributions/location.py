"""Continuous distributions with a location and a scale, and Uniform."""

from __future__ import annotations

import math

import ballast as torch

from .._core import Tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily, broadcast_all


class _LocationScale(Distribution):
    """Base of distributions of ``loc + scale*x``, where x has a distribution of its own."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _expanded = {"loc": 0, "scale": 0}

    def __init__(self, loc, scale, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The location."""
        return self.loc

    mode = mean

    def _standard(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return (value - self.loc) / self.scale


class Normal(_LocationScale, ExponentialFamily):
    """The normal distribution of mean `loc` and standard deviation `scale`."""

    @property
    def stddev(self) -> Tensor:
        """The scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The scale squared."""
        return self.stddev.pow(2)

    def sample(self, sample_shape=()) -> Tensor:
        """Draw PyTorch's numbers for the same seed."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        shape = self._extended_shape(sample_shape)
        return self.loc + torch.randn(shape, dtype=self.loc.dtype) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        squared = (value - self.loc) ** 2 / (2 * self.scale**2)
        return -squared - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        return 0.5 * (1 + torch.erf(self._standard(value) / math.sqrt(2)))

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        return self.loc + self.scale * torch.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        """The entropy."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + torch.log(self.scale)


class Laplace(_LocationScale):
    """The double exponential distribution."""

    @property
    def variance(self) -> Tensor:
        """Twice the scale squared."""
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Tensor:
        """The scale times the root of 2."""
        return 2**0.5 * self.scale

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        shape, eps = self._extended_shape(sample_shape), torch.finfo(self.loc.dtype).eps
        u = torch.empty(shape, dtype=self.loc.dtype).uniform_(eps - 1, 1)
        return self.loc - self.scale * u.sign() * torch.log1p(-u.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        return -torch.log(2 * self.scale) - torch.abs(value - self.loc) / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        x = self._standard(value)
        return 0.5 - 0.5 * x.sign() * torch.expm1(-x.abs())

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        term = value - 0.5
        return self.loc - self.scale * term.sign() * torch.log1p(-2 * term.abs())

    def entropy(self) -> Tensor:
        """The entropy."""
        return 1 + torch.log(2 * self.scale)


class Cauchy(_LocationScale):
    """The Cauchy distribution, which has no mean."""

    @property
    def mean(self) -> Tensor:
        """There is none: NaN."""
        return torch.full_like(self.loc.detach(), math.nan)

    @property
    def mode(self) -> Tensor:
        """The location."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Infinite."""
        return torch.full_like(self.loc.detach(), math.inf)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        shape = self._extended_shape(sample_shape)
        return self.loc + torch.empty(shape, dtype=self.loc.dtype).cauchy_() * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        return -math.log(math.pi) - self.scale.log() - (self._standard(value) ** 2).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        return torch.atan(self._standard(value)) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        return torch.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        """The entropy."""
        return math.log(4 * math.pi) + self.scale.log()


class Gumbel(_LocationScale):
    """The distribution of the largest of many values."""

    @property
    def mean(self) -> Tensor:
        """The location plus Euler's constant times the scale."""
        return self.loc + self.scale * 0.57721566490153286060

    @property
    def mode(self) -> Tensor:
        """The location."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.stddev.pow(2)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        shape, limits = self._extended_shape(sample_shape), torch.finfo(self.loc.dtype)
        u = torch.rand(shape, dtype=self.loc.dtype) * (1 - limits.eps - limits.tiny) + limits.tiny
        return self.loc - self.scale * torch.log(-torch.log(u))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        return torch.exp(-torch.exp(-self._standard(value)))

    def entropy(self) -> Tensor:
        """The entropy."""
        return self.scale.log() + (1 + 0.57721566490153286060)


class Uniform(Distribution):
    """Equally probable values of [low, high)."""

    has_rsample = True
    _expanded = {"low": 0, "high": 0}

    def __init__(self, low, high, validate_args: bool | None = None):
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)

    @property
    def arg_constraints(self):
        """One below the other."""
        return {
            "low": constraints.less_than(self.high),
            "high": constraints.greater_than(self.low),
        }

    @property
    def support(self):
        """The interval."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """The middle."""
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        """There is none: NaN."""
        return math.nan * self.high

    @property
    def stddev(self) -> Tensor:
        """The width divided by the root of 12."""
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Tensor:
        """The width squared, divided by 12."""
        return (self.high - self.low).pow(2) / 12

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        inside = self.low.le(value) & self.high.gt(value)
        return torch.log(inside.type_as(self.low)) - torch.log(self.high - self.low)

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """The entropy."""
        return torch.log(self.high - self.low)

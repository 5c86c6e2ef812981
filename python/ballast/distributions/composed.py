"""Distributions of vectors, and distributions made of others."""

from __future__ import annotations

import math

import ballast as torch

from .._core import Tensor
from . import constraints
from .discrete import Categorical
from .distribution import Distribution, broadcast_all, lazy_property
from .location import Normal
from .positive import Exponential
from .transforms import (
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    PowerTransform,
    StickBreakingTransform,
    Transform,
)


def _sum_rightmost(value: Tensor, dims: int) -> Tensor:
    return value if dims == 0 else value.reshape(*value.shape[: value.dim() - dims], -1).sum(-1)


class Independent(Distribution):
    """Takes the last variables of a distribution as one event."""

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ):
        batch = base_distribution.batch_shape
        if reinterpreted_batch_ndims > len(batch):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), "
                f"actual {reinterpreted_batch_ndims} vs {len(batch)}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = (
            base_distribution,
            reinterpreted_batch_ndims,
        )
        at = len(batch) - reinterpreted_batch_ndims
        event = (*batch[at:], *base_distribution.event_shape)
        super().__init__(batch[:at], event, validate_args=validate_args)

    @property
    def has_rsample(self) -> bool:
        """Whether the base has."""
        return self.base_dist.has_rsample

    @property
    def support(self):
        """The base's, of whole events."""
        if not self.reinterpreted_batch_ndims:
            return self.base_dist.support
        return constraints.independent(self.base_dist.support, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Tensor:
        """The base's mean."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """The base's mode."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """The base's variance."""
        return self.base_dist.variance

    def expand(self, batch_shape, _instance=None):
        """Make a distribution of more variables with the same parameters."""
        event = self.event_shape[: self.reinterpreted_batch_ndims]
        base = self.base_dist.expand(torch.Size((*batch_shape, *event)))
        return type(self)(base, self.reinterpreted_batch_ndims, validate_args=False)

    def sample(self, sample_shape=()) -> Tensor:
        """Draw from the base."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw from the base, differentiably."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Sum of the parts' logarithms."""
        return _sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        """Sum of the parts' entropies."""
        return _sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class MultivariateNormal(Distribution):
    """The normal distribution of vectors, by covariance, its inverse or its Cholesky factor."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True
    _expanded = {
        **{"loc": 1, "_unbroadcasted_scale_tril": 2, "scale_tril": 2},
        **{"covariance_matrix": 2, "precision_matrix": 2},
    }

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            raise ValueError(
                f"{name} must be at least two-dimensional, with optional leading batch"
            )
        batch = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.__dict__[name] = matrix.expand(*batch, *matrix.shape[-2:])
        self.loc = loc.expand(*batch, loc.shape[-1])
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = matrix
        if name == "covariance_matrix":
            self._unbroadcasted_scale_tril = torch.linalg.cholesky(matrix)
        elif name == "precision_matrix":
            self._unbroadcasted_scale_tril = torch.linalg.cholesky(torch.linalg.inv(matrix))

    def _full(self, matrix: Tensor) -> Tensor:
        n = self._event_shape[0]
        return matrix.expand(*self._batch_shape, n, n)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor."""
        return self._full(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        factor = self._unbroadcasted_scale_tril
        return self._full(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        return self._full(torch.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Tensor:
        """The location."""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance."""
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand(*self._batch_shape, *self._event_shape)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        x = torch.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self._unbroadcasted_scale_tril @ x.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        factor, x = self._unbroadcasted_scale_tril, (value - self.loc).unsqueeze(-1)
        lead = torch.broadcast_shapes(factor.shape[:-2], x.shape[:-2])
        solved = torch.linalg.solve_triangular(
            factor.expand(*lead, *factor.shape[-2:]), x.expand(*lead, *x.shape[-2:]), upper=False
        )
        squared = solved.squeeze(-1).pow(2).sum(-1)
        norm = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (norm + squared) - self._half_log_det()

    def entropy(self) -> Tensor:
        """The entropy."""
        value = 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_det()
        return value.expand(self._batch_shape)


class TransformedDistribution(Distribution):
    """What transforms make of a distribution's values."""

    def __init__(self, base_distribution: Distribution, transforms, validate_args=None):
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(f"transforms must be a Transform or a list, but was {transforms}")
        chain = ComposeTransform(self.transforms)
        base_dims = len(base_distribution.event_shape)
        shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        event_dims = chain.codomain.event_dim + max(base_dims - chain.domain.event_dim, 0)
        more = chain.domain.event_dim - base_dims
        self.base_dist = Independent(base_distribution, more) if more > 0 else base_distribution
        shape = tuple(chain.forward_shape(shape))
        at = len(shape) - event_dims
        super().__init__(shape[:at], shape[at:], validate_args=validate_args)

    @property
    def has_rsample(self) -> bool:
        """Whether the base has."""
        return self.base_dist.has_rsample

    @property
    def support(self):
        """Where the last transform leads."""
        support = self.transforms[-1].codomain if self.transforms else self.base_dist.support
        more = len(self._event_shape) - support.event_dim
        return constraints.independent(support, more) if more > 0 else support

    def expand(self, batch_shape, _instance=None):
        """Make a distribution of more variables with the same parameters."""
        new = super().expand(batch_shape, _instance)
        chain = ComposeTransform(self.transforms)
        shape = chain.inverse_shape((*batch_shape, *self._event_shape))
        base = shape[: len(shape) - len(self.base_dist.event_shape)]
        new.base_dist = self.base_dist.expand(torch.Size(base))
        return new

    def _through(self, value: Tensor) -> Tensor:
        for transform in self.transforms:
            value = transform(value)
        return value

    def sample(self, sample_shape=()) -> Tensor:
        """Transform what is drawn from the base."""
        with torch.no_grad():
            return self._through(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape=()) -> Tensor:
        """Transform what is drawn from the base, differentiably."""
        return self._through(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density, by the change of variables."""
        self._validate_sample(value)
        event_dims, total, y = len(self._event_shape), 0.0, value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dims += transform.domain.event_dim - transform.codomain.event_dim
            slope = transform.log_abs_det_jacobian(x, y)
            total = total - _sum_rightmost(slope, event_dims - transform.domain.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        return total + _sum_rightmost(base, event_dims - len(self.base_dist.event_shape))

    def _monotone(self, value: Tensor) -> Tensor:
        sign = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return sign * (value - 0.5) + 0.5

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        return self._monotone(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        return self._through(self.base_dist.icdf(self._monotone(value)))


class LogNormal(TransformedDistribution):
    """The exponential of a normal variable."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive

    def __init__(self, loc, scale, validate_args: bool | None = None):
        base = Normal(loc, scale, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Tensor:
        """The logarithm's mean."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The logarithm's standard deviation."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        return (self.loc + self.scale.pow(2) / 2).exp()

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        """The variance."""
        squared = self.scale.pow(2)
        return squared.expm1() * (2 * self.loc + squared).exp()

    def entropy(self) -> Tensor:
        """The entropy."""
        return self.base_dist.entropy() + self.loc


class LogisticNormal(TransformedDistribution):
    """Probabilities whose log odds are normal variables."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex

    def __init__(self, loc, scale, validate_args: bool | None = None):
        base = Normal(loc, scale, validate_args=validate_args)
        self.loc, self.scale = base.loc, base.scale
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)


class Weibull(TransformedDistribution):
    """Weibull's distribution of positive numbers."""

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale, concentration, validate_args: bool | None = None):
        self.scale, self.concentration = broadcast_all(scale, concentration)
        base = Exponential(torch.ones_like(self.scale.detach()), validate_args=validate_args)
        power = PowerTransform(exponent=self.concentration.reciprocal())
        chain = [power, AffineTransform(0, self.scale)]
        super().__init__(base, chain, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        return self.scale * torch.exp(torch.lgamma(1 + self.concentration.reciprocal()))


class Pareto(TransformedDistribution):
    """Pareto's distribution of numbers above a scale."""

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale, alpha, validate_args: bool | None = None):
        self.scale, self.alpha = broadcast_all(scale, alpha)
        base = Exponential(self.alpha, validate_args=validate_args)
        chain = [ExpTransform(), AffineTransform(0, self.scale)]
        super().__init__(base, chain, validate_args=validate_args)

    @property
    def support(self):
        """From the scale on."""
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)


class MixtureSameFamily(Distribution):
    """One of several distributions, by probabilities."""

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError("The Mixture distribution needs to be an instance of Categorical")
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        self._event_ndims = len(component_distribution.event_shape)
        shape = component_distribution.batch_shape[:-1]
        event = component_distribution.event_shape
        super().__init__(shape, event, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """Make a distribution of more variables with the same parameters."""
        which = self._mixture_distribution.expand(batch_shape)
        count = which.param_shape[-1]
        parts = self._component_distribution.expand(torch.Size((*batch_shape, count)))
        return type(self)(which, parts, validate_args=False)

    @property
    def mixture_distribution(self) -> Categorical:
        """Which one."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The several."""
        return self._component_distribution

    @property
    def support(self):
        """The components'."""
        return self._component_distribution.support

    def _weights(self) -> Tensor:
        probs = self._mixture_distribution.probs
        return probs.reshape(*probs.shape, *[1] * self._event_ndims)

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        at = -1 - self._event_ndims
        return (self._weights() * self._component_distribution.mean).sum(at)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        at, weights, parts = -1 - self._event_ndims, self._weights(), self._component_distribution
        within = (weights * parts.variance).sum(at)
        return within + (weights * (parts.mean - self.mean.unsqueeze(at)).pow(2)).sum(at)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        value = value.unsqueeze(-1 - self._event_ndims)
        parts = self._component_distribution.log_prob(value)
        weights = torch.log_softmax(self._mixture_distribution.logits, dim=-1)
        return torch.logsumexp(parts + weights, dim=-1)

    def sample(self, sample_shape=()) -> Tensor:
        """Draw which one, then from all of them."""
        with torch.no_grad():
            which = self._mixture_distribution.sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            at = drawn.dim() - 1 - self._event_ndims
            index = which.reshape(*which.shape, *[1] * (self._event_ndims + 1))
            size = [*drawn.shape]
            size[at] = 1
            return drawn.gather(at, index.expand(size)).squeeze(at)

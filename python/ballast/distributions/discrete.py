"""Distributions over whole numbers and categories."""

from __future__ import annotations

import math

import ballast as torch

from .. import _core
from .._core import Tensor
from ..nn import functional as F  # noqa: N812
from . import constraints
from .distribution import (
    Distribution,
    ExponentialFamily,
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)


class _ByProbability(Distribution):
    """Base of distributions given by either probabilities or log odds of single events."""

    _binary = True
    _event = 0

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None, event=()):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            (self.probs,) = broadcast_all(probs) if self._binary else (self._normalized(probs),)
        else:
            logits = logits if self._binary else self._log_normalized(logits)
            (self.logits,) = broadcast_all(logits)
        self._given = "logits" if probs is None else "probs"
        shape = self._param.shape
        batch = shape if self._binary else shape[:-1]
        super().__init__(batch, event, validate_args=validate_args)

    @staticmethod
    def _normalized(probs: Tensor) -> Tensor:
        if probs.dim() < 1:
            raise ValueError("`probs` parameter must be at least one-dimensional.")
        return probs / probs.sum(-1, keepdim=True)

    @staticmethod
    def _log_normalized(logits: Tensor) -> Tensor:
        if logits.dim() < 1:
            raise ValueError("`logits` parameter must be at least one-dimensional.")
        return logits - logits.logsumexp(dim=-1, keepdim=True)

    @property
    def _expanded(self) -> dict[str, int]:
        return {"probs": int(not self._binary), "logits": int(not self._binary)}

    @property
    def _param(self) -> Tensor:
        return self.__dict__[self._given]

    @property
    def param_shape(self):
        """The shape of the parameter that was given."""
        return self._param.size()

    @lazy_property
    def logits(self) -> Tensor:
        """Log odds, or logarithms of the probabilities."""
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=self._binary)

    def rsample(self, sample_shape=()) -> Tensor:
        """There is no derivative of a discrete value."""
        raise NotImplementedError(f"{type(self).__name__} is discrete: draw with sample()")

    def _draw(self, shape) -> Tensor:
        raise NotImplementedError

    def sample(self, sample_shape=()) -> Tensor:
        """Draw PyTorch's numbers for the same seed."""
        with torch.no_grad():
            return self._draw(self._extended_shape(sample_shape))


class Bernoulli(_ByProbability, ExponentialFamily):
    """1 with a probability, else 0."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args)

    @property
    def mean(self) -> Tensor:
        """The probability."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The more probable value; NaN where both are."""
        mode = (self.probs >= 0.5).to(self.probs)
        return torch.where(self.probs == 0.5, math.nan, mode)

    @property
    def variance(self) -> Tensor:
        """The probabilities' product."""
        return self.probs * (1 - self.probs)

    def _draw(self, shape) -> Tensor:
        return torch.bernoulli(self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """The entropy."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Give 0 and 1."""
        values = torch.arange(2, dtype=self._param.dtype).view(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values


class Geometric(_ByProbability):
    """The number of failures before the first success."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise ValueError("Expected parameter probs of Geometric to be positive")

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return torch.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return (1.0 / self.probs - 1.0) / self.probs

    def _draw(self, shape) -> Tensor:
        tiny = torch.finfo(self.probs.dtype).tiny
        u = torch.rand(shape, dtype=self.probs.dtype).clamp(min=tiny)
        return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        probs = torch.where((probs == 1) & (value == 0), 0.0, probs)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        """The entropy."""
        cross = F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return cross / self.probs


class Categorical(_ByProbability):
    """One of several categories, by number."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _binary = False

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args)

    @property
    def _num_events(self) -> int:
        return self._param.size(-1)

    @property
    def support(self):
        """Numbers of the categories."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        """There is none: NaN."""
        return torch.full(self._batch_shape, math.nan, dtype=self.probs.dtype)

    @property
    def mode(self) -> Tensor:
        """The most probable category."""
        return self.probs.argmax(dim=-1)

    variance = mean

    def _draw(self, shape) -> Tensor:
        flat = self.probs.reshape(-1, self._num_events)
        count = math.prod(shape) // max(1, math.prod(self._batch_shape))
        return torch.multinomial(flat, count, True).t().reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        self._validate_sample(value)
        value, logits = torch.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """The entropy."""
        lowest = torch.finfo(self.logits.dtype).min
        return -(self.logits.clamp(min=lowest) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Give all numbers."""
        values = torch.arange(self._num_events).view(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values


class OneHotCategorical(_ByProbability):
    """One of several categories, as a vector of zeros and one 1."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.one_hot
    has_enumerate_support = True
    _binary = False

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        shape = (logits if probs is None else probs).shape[-1:]
        super().__init__(probs, logits, validate_args, shape)

    @property
    def _categorical(self) -> Categorical:
        return Categorical(**{self._given: self._param}, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The probabilities."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The most probable category."""
        return F.one_hot(self.probs.argmax(-1), self.probs.size(-1)).to(self.probs)

    @property
    def variance(self) -> Tensor:
        """The variance of every part."""
        return self.probs * (1 - self.probs)

    def _draw(self, shape) -> Tensor:
        n = self._param.size(-1)
        return F.one_hot(self._categorical._draw(shape[:-1]), n).to(self._param.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        self._validate_sample(value)
        return self._categorical.log_prob(value.max(-1)[1])

    def entropy(self) -> Tensor:
        """The entropy."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Give all vectors."""
        n = self._param.size(-1)
        values = torch.eye(n, dtype=self._param.dtype)
        values = values.view(n, *[1] * len(self._batch_shape), n)
        return values.expand(n, *self._batch_shape, n) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """The same with the probabilities' derivative."""

    has_rsample = True

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw vectors whose derivative is the probabilities'."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Poisson(ExponentialFamily):
    """The number of events that come at a rate."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    _expanded = {"rate": 0}

    def __init__(self, rate, validate_args: bool | None = None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The rate."""
        return self.rate

    variance = mean

    @property
    def mode(self) -> Tensor:
        """The rate, rounded down."""
        return self.rate.floor()

    def sample(self, sample_shape=()) -> Tensor:
        """Draw PyTorch's numbers for the same seed."""
        rate = self.rate.detach().expand(self._extended_shape(sample_shape))
        return _core._poisson_variates(rate.double().contiguous(), None).to(rate.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return torch.xlogy(value, rate) - rate - torch.lgamma(value + 1)


class _Trials(_ByProbability):
    """Base of distributions of a count of trials."""

    @property
    def _expanded(self) -> dict[str, int]:
        return {"probs": 0, "logits": 0, "total_count": 0}

    def __init__(self, total_count, probs, logits, validate_args):
        given = logits if probs is None else probs
        if given is None:
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self.total_count, given = broadcast_all(total_count, given)
        self.total_count = self.total_count.to(given.dtype)
        both = (None, given) if probs is None else (given, None if logits is None else logits)
        super().__init__(*both, validate_args)


class Binomial(_Trials):
    """The number of successes among `total_count` trials."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }

    def __init__(self, total_count=1, probs=None, logits=None, validate_args: bool | None = None):
        super().__init__(total_count, probs, logits, validate_args)

    @property
    def support(self):
        """Whole numbers up to the count."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """The expected number."""
        return self.total_count * self.probs

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.total_count * self.probs * (1 - self.probs)

    def _draw(self, shape) -> Tensor:
        raise NotImplementedError("Binomial.sample is not in Ballast: sum samples of Bernoulli")

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        self._validate_sample(value)
        n, x = self.total_count, self.logits
        ways = torch.lgamma(n + 1) - torch.lgamma(value + 1) - torch.lgamma(n - value + 1)
        return ways + value * x - n * F.softplus(x)


class NegativeBinomial(_Trials):
    """The number of successes before `total_count` failures."""

    arg_constraints = {
        "total_count": constraints.nonnegative,
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, total_count, probs=None, logits=None, validate_args: bool | None = None):
        super().__init__(total_count, probs, logits, validate_args)

    @property
    def mean(self) -> Tensor:
        """The expected number."""
        return self.total_count * torch.exp(self.logits)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.mean / torch.sigmoid(-self.logits)

    def _draw(self, shape) -> Tensor:
        from .positive import Gamma

        gamma = Gamma(self.total_count, torch.exp(-self.logits), validate_args=False)
        lead = shape[: len(shape) - len(self._batch_shape)]
        return Poisson(gamma.sample(lead)).sample()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        self._validate_sample(value)
        n, x = self.total_count, self.logits
        unnormalized = n * F.logsigmoid(-x) + value * F.logsigmoid(x)
        norm = -torch.lgamma(n + value) + torch.lgamma(1.0 + value) + torch.lgamma(n)
        return unnormalized - torch.where(n + value == 0.0, 0.0, norm)


class Multinomial(Distribution):
    """How often each category comes in `total_count` trials."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args: bool | None = None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits)
        shape = self._categorical.param_shape
        super().__init__(self._categorical.batch_shape, shape[-1:], validate_args=False)

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return self._categorical.logits

    @property
    def support(self):
        """Counts."""
        return constraints.independent(constraints.nonnegative_integer, 1)

    def expand(self, batch_shape, _instance=None):
        """Make a distribution of more variables with the same parameters."""
        new = super().expand(batch_shape, _instance)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def mean(self) -> Tensor:
        """The expected counts."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        """The variance of every count."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=()) -> Tensor:
        """Draw PyTorch's numbers for the same seed."""
        draws = self._categorical.sample(torch.Size((self.total_count, *sample_shape)))
        counts = F.one_hot(draws, self._event_shape[0]).sum(0)
        return counts.to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        logits, value = broadcast_all(self.logits, value)
        ways = torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1)
        logits = torch.where((value == 0) & (logits == -math.inf), 0.0, logits)
        return ways + (logits * value).sum(-1)


class RelaxedBernoulli(_ByProbability):
    """A continuous stand-in for Bernoulli, by a temperature."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args: bool | None = None):
        self.temperature = temperature
        super().__init__(probs, logits, validate_args)

    def _draw(self, shape) -> Tensor:
        return self.rsample(shape[: len(shape) - len(self._batch_shape)])

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(torch.rand(shape, dtype=probs.dtype))
        odds = u.log() - (-u).log1p() + probs.log() - (-probs).log1p()
        return clamp_probs(torch.sigmoid(odds / self.temperature))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._validate_sample(value)
        odds = value.log() - (-value).log1p()
        logits, odds = broadcast_all(self.logits, odds)
        diff = logits - odds * self.temperature
        density = torch.as_tensor(self.temperature).log() + diff - 2 * diff.exp().log1p()
        return density - F.logsigmoid(odds) - F.logsigmoid(-odds)


class RelaxedOneHotCategorical(_ByProbability):
    """A continuous stand-in for OneHotCategorical, by a temperature."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True
    _binary = False

    def __init__(self, temperature, probs=None, logits=None, validate_args: bool | None = None):
        self.temperature = temperature
        shape = (logits if probs is None else probs).shape[-1:]
        super().__init__(probs, logits, validate_args, shape)

    def _draw(self, shape) -> Tensor:
        return self.rsample(shape[: len(shape) - len(self._batch_shape) - 1])

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(torch.rand(shape, dtype=self.logits.dtype))
        scores = (self.logits.expand(shape) - (-u.log()).log()) / self.temperature
        return (scores - scores.logsumexp(dim=-1, keepdim=True)).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        k, t = self._event_shape[0], torch.as_tensor(self.temperature, dtype=self.logits.dtype)
        logits, value = broadcast_all(self.logits, value)
        scale = torch.lgamma(torch.tensor(float(k))) + t.log() * (k - 1)
        score = logits - value.log() * t
        score = (score - score.logsumexp(dim=-1, keepdim=True)).sum(-1)
        return score + scale - value.log().sum(-1)

"""What distributions share, as ``torch.distributions.distribution``."""

from __future__ import annotations

import ballast as torch

from .._core import Tensor
from . import constraints


class lazy_property:  # noqa: N801 (PyTorch's name)
    """A property that is worked out when it is first asked for, and kept."""

    def __init__(self, wrapped):
        self.wrapped, self.__doc__ = wrapped, wrapped.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        instance.__dict__[self._name] = value
        return value


def broadcast_all(*values):
    """Expand tensors and numbers to one shape; numbers take the type of the first tensor."""
    like = next((v for v in values if isinstance(v, Tensor)), None)
    dtype = torch.float32 if like is None else like.dtype
    tensors = [v if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype) for v in values]
    return torch.broadcast_tensors(*tensors)


def clamp_probs(probs: Tensor) -> Tensor:
    """Keep probabilities away from 0 and 1 by the smallest step of their type."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Turn log odds, or unnormalized logarithms, into probabilities."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Turn probabilities into log odds, or into logarithms."""
    p = clamp_probs(probs)
    return p.log() - (-p).log1p() if is_binary else p.log()


class Distribution:
    """Base of the distributions.

    Parameters
    ----------
    batch_shape, event_shape : torch.Size
        How many independent variables there are, and the shape of a value of one.
    validate_args : bool, optional
        Whether parameters and values are checked; by default they are.
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: dict[str, constraints.Constraint] = {}
    support: constraints.Constraint | None = None
    _validate_args = __debug__
    #: Parameters that `expand` expands, with how many trailing dimensions belong to an event.
    _expanded: dict[str, int] = {}

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Choose whether distributions check their arguments unless told otherwise."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape=(), event_shape=(), validate_args: bool | None = None):
        self._batch_shape = torch.Size(batch_shape)
        self._event_shape = torch.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if not self._validate_args:
            return
        for name, constraint in self.arg_constraints.items():
            lazy = isinstance(getattr(type(self), name, None), lazy_property)
            if constraints.is_dependent(constraint) or (lazy and name not in self.__dict__):
                continue
            value = getattr(self, name)
            if not bool(constraint.check(value).all()):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                    f"{constraint!r}, but found invalid values:\n{value}"
                )

    @property
    def batch_shape(self):
        """The shape of independent variables."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of one variable's value."""
        return self._event_shape

    def expand(self, batch_shape, _instance=None):
        """Make a distribution of more variables with the same parameters."""
        batch_shape = torch.Size(batch_shape)
        new = type(self).__new__(type(self)) if _instance is None else _instance
        new.__dict__.update(self.__dict__)
        for name, event_dims in self._expanded.items():
            value = self.__dict__.get(name)
            if value is not None:
                rest = value.shape[value.dim() - event_dims :] if event_dims else ()
                new.__dict__[name] = value.expand(*batch_shape, *rest)
        new._batch_shape = batch_shape
        return new

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The expected squared deviation."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape=()) -> Tensor:
        """Draw values through which nothing is differentiated."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draw values that are differentiable functions of the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample: use sample()")

    def sample_n(self, n: int) -> Tensor:
        """Draw `n` values."""
        return self.sample(torch.Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density, or of the probability, at a value."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of values up to this one."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """List all values of a discrete distribution."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        return self.entropy().exp()

    def _extended_shape(self, sample_shape=()):
        return torch.Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _validate_sample(self, value: Tensor) -> None:
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        dims = len(self._event_shape)
        if tuple(value.shape[value.dim() - dims :]) != tuple(self._event_shape):
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{value.shape} vs {self._event_shape}."
            )
        shape = self._batch_shape + self._event_shape
        pairs = zip(reversed(value.shape), reversed(shape), strict=False)
        if any(i != 1 and j != 1 and i != j for i, j in pairs):
            raise ValueError(
                "Value is not broadcastable with batch_shape+event_shape: "
                f"{value.shape} vs {self._batch_shape + self._event_shape}."
            )
        try:
            support = self.support
        except NotImplementedError:
            return
        if support is not None and not bool(support.check(value.detach()).all()):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) "
                f"to be within the support ({support!r}) of the distribution {self!r}, but found "
                f"invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        names = [n for n in self.arg_constraints if n in self.__dict__]
        listed = []
        for name in names:
            value = self.__dict__[name]
            listed.append(f"{name}: {value if value.numel() == 1 else value.size()}")
        return f"{type(self).__name__}({', '.join(listed)})"


class ExponentialFamily(Distribution):
    """Base of the exponential families, for programs that ask."""

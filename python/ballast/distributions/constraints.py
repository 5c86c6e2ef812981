"""What values a parameter or a sample may take, as ``torch.distributions.constraints``."""

from __future__ import annotations

import ballast as torch

from .._core import Tensor


class Constraint:
    """A region of values.

    ``event_dim`` trailing dimensions are checked together.
    """

    is_discrete = False
    event_dim = 0

    def check(self, value: Tensor) -> Tensor:
        """Tell for every event whether it is inside."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return type(self).__name__.removeprefix("_") + "()"


class _Dependent(Constraint):
    """Depends on other parameters."""

    def __init__(self, *, is_discrete: bool = False, event_dim: int = 0):
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, *, is_discrete: bool = False, event_dim: int = 0) -> _Dependent:
        return _Dependent(is_discrete=is_discrete, event_dim=event_dim)


class _DependentProperty(property, _Dependent):
    def __init__(self, fn=None, *, is_discrete: bool = False, event_dim: int = 0):
        property.__init__(self, fn)
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, fn):
        return _DependentProperty(fn, is_discrete=self.is_discrete, event_dim=self.event_dim)


class independent(Constraint):  # noqa: N801 (PyTorch's name)
    """Reinterprets dimensions of a constraint as one event's."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int):
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        """Tell whether all parts of an event are inside."""
        inside = self.base_constraint.check(value)
        kept = inside.shape[: inside.dim() - self.reinterpreted_batch_ndims]
        return inside.reshape(*kept, -1).all(-1)

    def __repr__(self) -> str:
        return f"Independent({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class _Of(Constraint):
    """A constraint made of a test, by name."""

    def __init__(self, name: str, test, event_dim: int = 0, is_discrete: bool = False, **bounds):
        self._name, self._test, self.event_dim, self.is_discrete = (
            name,
            test,
            event_dim,
            is_discrete,
        )
        self._bounds = bounds
        for bound, value in bounds.items():
            setattr(self, bound, value)

    def check(self, value: Tensor) -> Tensor:
        return self._test(value)

    def __repr__(self) -> str:
        listed = ", ".join(f"{k}={v}" for k, v in self._bounds.items())
        return f"{self._name}({listed})"


def greater_than(lower_bound) -> Constraint:
    """Make the region above a bound."""
    return _Of("GreaterThan", lambda v: lower_bound < v, lower_bound=lower_bound)


def greater_than_eq(lower_bound) -> Constraint:
    """Make the region from a bound on."""
    return _Of("GreaterThanEq", lambda v: lower_bound <= v, lower_bound=lower_bound)


def less_than(upper_bound) -> Constraint:
    """Make the region below a bound."""
    return _Of("LessThan", lambda v: v < upper_bound, upper_bound=upper_bound)


def interval(lower_bound, upper_bound) -> Constraint:
    """Make the region between bounds, which belong to it."""
    bounds = {"lower_bound": lower_bound, "upper_bound": upper_bound}
    return _Of("Interval", lambda v: (lower_bound <= v) & (v <= upper_bound), **bounds)


def half_open_interval(lower_bound, upper_bound) -> Constraint:
    """Make the region between bounds, of which the lower one belongs to it."""
    bounds = {"lower_bound": lower_bound, "upper_bound": upper_bound}
    return _Of("HalfOpenInterval", lambda v: (lower_bound <= v) & (v < upper_bound), **bounds)


def _whole(value: Tensor) -> Tensor:
    return value % 1 == 0


def integer_interval(lower_bound, upper_bound) -> Constraint:
    """Make the whole numbers between bounds, which belong to them."""

    def test(v: Tensor) -> Tensor:
        return _whole(v) & (lower_bound <= v) & (v <= upper_bound)

    bounds = {"lower_bound": lower_bound, "upper_bound": upper_bound}
    return _Of("IntegerInterval", test, is_discrete=True, **bounds)


def _triangle(value: Tensor) -> Tensor:
    return (value.tril() == value).reshape(*value.shape[:-2], -1).all(-1)


def _positive_definite(value: Tensor) -> Tensor:
    symmetric = torch.isclose(value, value.transpose(-2, -1), atol=1e-6).all(-2).all(-1)
    if not bool(symmetric.all()):
        return symmetric
    return torch.linalg.cholesky_ex(value)[1] == 0


dependent = _Dependent()
dependent_property = _DependentProperty
boolean = _Of("Boolean", lambda v: (v == 0) | (v == 1), is_discrete=True)
real = _Of("Real", lambda v: v == v)
real_vector = independent(real, 1)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
nonnegative_integer = _Of(
    "IntegerGreaterThan", lambda v: _whole(v) & (v >= 0), is_discrete=True, lower_bound=0
)
positive_integer = _Of(
    "IntegerGreaterThan", lambda v: _whole(v) & (v >= 1), is_discrete=True, lower_bound=1
)
simplex = _Of("Simplex", lambda v: (v >= 0).all(-1) & ((v.sum(-1) - 1).abs() < 1e-6), 1)
one_hot = _Of(
    "OneHot", lambda v: ((v == 0) | (v == 1)).all(-1) & (v.sum(-1) == 1), 1, is_discrete=True
)
lower_triangular = _Of("LowerTriangular", _triangle, 2)
lower_cholesky = _Of(
    "LowerCholesky", lambda v: _triangle(v) & (v.diagonal(dim1=-2, dim2=-1) > 0).all(-1), 2
)
positive_definite = _Of("PositiveDefinite", _positive_definite, 2)


def is_dependent(constraint: Constraint) -> bool:
    """Whether a constraint depends on other parameters."""
    return isinstance(constraint, _Dependent)

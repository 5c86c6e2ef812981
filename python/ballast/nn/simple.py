"""Layers without weights: the common activations, dropout, reshaping."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from . import functional as F
from .module import Module


class _Simple(Module):
    """A function of the input and of options that `_options` names, in the constructor's order."""

    _options: dict = {}
    _shown: tuple[str, ...] | None = None  # None: those that differ from the default

    def __init__(self, *args, **kwargs):
        super().__init__()
        names = list(self._options)
        if len(args) > len(names):
            raise TypeError(f"{type(self).__name__} takes at most {len(names)} arguments")
        given = dict(zip(names, args, strict=False))
        for name in kwargs:
            if name not in self._options or name in given:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{name}'"
                )
        given.update(kwargs)
        for name, default in self._options.items():
            value = given.get(name, default)
            if value is _REQUIRED:
                raise TypeError(
                    f"{type(self).__name__}.__init__() missing 1 required positional argument: "
                    f"'{name}'"
                )
            setattr(self, name, value)

    def extra_repr(self) -> str:
        """Write the options."""
        if self._shown is not None:
            return ", ".join(f"{n}={getattr(self, n)}" for n in self._shown)
        pairs = ((n, getattr(self, n)) for n in self._options)
        return ", ".join(f"{n}={v}" for n, v in pairs if v != self._options[n])


_REQUIRED = object()


class ReLU(_Simple):
    """max(x, 0)."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.relu(input, self.inplace)


class ReLU6(_Simple):
    """min(max(x, 0), 6)."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.relu6(input, self.inplace)


class LeakyReLU(_Simple):
    """x where x > 0, else negative_slope*x."""

    _options = {"negative_slope": 0.01, "inplace": False}

    def extra_repr(self) -> str:
        """Write the slope, and whether it works in place."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class ELU(_Simple):
    """x where x > 0, else alpha*(exp(x) - 1)."""

    _options = {"alpha": 1.0, "inplace": False}

    def extra_repr(self) -> str:
        """Write alpha, and whether it works in place."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.elu(input, self.alpha, self.inplace)


class GELU(_Simple):
    """x times the normal distribution function of x."""

    _options = {"approximate": "none"}

    def extra_repr(self) -> str:
        """Write the approximation."""
        return f"approximate={self.approximate!r}"

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.gelu(input, approximate=self.approximate)


class SiLU(_Simple):
    """x*sigmoid(x)."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.silu(input, self.inplace)


class Hardswish(_Simple):
    """x*min(max(x + 3, 0), 6)/6."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_Simple):
    """min(max(x + 3, 0), 6)/6."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.hardsigmoid(input, self.inplace)


class Hardtanh(_Simple):
    """min(max(x, min_val), max_val)."""

    _options = {"min_val": -1.0, "max_val": 1.0, "inplace": False}
    _shown = ("min_val", "max_val")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if isinstance(self.min_val, (int, float)) and isinstance(self.max_val, (int, float)):
            if self.max_val <= self.min_val:
                raise AssertionError("Hardtanh: max_val must be larger than min_val")

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class Softplus(_Simple):
    """log(1 + exp(beta*x))/beta."""

    _options = {"beta": 1.0, "threshold": 20.0}
    _shown = ("beta", "threshold")

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.softplus(input, self.beta, self.threshold)


class Sigmoid(_Simple):
    """1/(1 + exp(-x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return input.sigmoid()


class Tanh(_Simple):
    """Hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return input.tanh()


class Softmax(_Simple):
    """exp(x)/sum(exp(x)) along `dim`."""

    _options = {"dim": None}
    _shown = ("dim",)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.softmax(input, self.dim)


class LogSoftmax(Softmax):
    """log(softmax(x)) along `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.log_softmax(input, self.dim)


class Dropout(_Simple):
    """Sets elements to zero with probability `p` while training, and scales the others."""

    _options = {"p": 0.5, "inplace": False}
    _shown = ("p", "inplace")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not 0 <= self.p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {self.p}")

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements, while training."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Flatten(_Simple):
    """Joins dimensions `start_dim` to `end_dim`."""

    _options = {"start_dim": 1, "end_dim": -1}
    _shown = ("start_dim", "end_dim")

    def forward(self, input: Tensor) -> Tensor:
        """Join the dimensions."""
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(_Simple):
    """Splits dimension `dim` into `unflattened_size`."""

    _options = {"dim": _REQUIRED, "unflattened_size": _REQUIRED}
    _shown = ("dim", "unflattened_size")

    def forward(self, input: Tensor) -> Tensor:
        """Split the dimension."""
        return _core._unflatten(input, self.dim, self.unflattened_size)

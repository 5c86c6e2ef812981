"""Activation functions."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from . import functional as F
from .module import Module
from .parameter import Parameter
from .simple import _REQUIRED, _Simple


class _InPlace(_Simple):
    """A layer that notes `inplace` in its text only where it is set, as PyTorch does."""

    def extra_repr(self) -> str:
        """Write the options, and that the layer works in place."""
        pairs = [f"{n}={getattr(self, n)}" for n in self._shown or ()]
        return ", ".join(pairs + (["inplace=True"] if self.inplace else []))


class CELU(_InPlace):
    """max(x, 0) + min(alpha*(exp(x/alpha) - 1), 0)."""

    _options = {"alpha": 1.0, "inplace": False}
    _shown = ("alpha",)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.celu(input, self.alpha, self.inplace)


class SELU(_InPlace):
    """ELU with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017)."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.selu(input, self.inplace)


class Mish(_InPlace):
    """x*tanh(softplus(x))."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.mish(input, self.inplace)


class RReLU(_InPlace):
    """x where x >= 0, else x times a random slope while training, times its mean otherwise."""

    _options = {"lower": 1.0 / 8, "upper": 1.0 / 3, "inplace": False}
    _shown = ("lower", "upper")

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Threshold(_InPlace):
    """x where x > threshold, else value."""

    _options = {"threshold": _REQUIRED, "value": _REQUIRED, "inplace": False}
    _shown = ("threshold", "value")

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.threshold(input, self.threshold, self.value, self.inplace)


class Softsign(_Simple):
    """x/(1 + |x|)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.softsign(input)


class Softshrink(_Simple):
    """x moved towards 0 by `lambd`."""

    _options = {"lambd": 0.5}

    def extra_repr(self) -> str:
        """Write the amount."""
        return str(self.lambd)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.softshrink(input, self.lambd)


class Hardshrink(Softshrink):
    """x where |x| > lambd, else 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.hardshrink(input, self.lambd)


class Tanhshrink(_Simple):
    """x - tanh(x)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.tanhshrink(input)


class LogSigmoid(_Simple):
    """log(1/(1 + exp(-x)))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.logsigmoid(input)


class Softmin(_Simple):
    """softmax(-x) along `dim`."""

    _options = {"dim": None}
    _shown = ("dim",)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.softmin(input, self.dim)


class Softmax2d(_Simple):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3)


class GLU(_Simple):
    """a*sigmoid(b), a and b the halves of x along `dim`."""

    _options = {"dim": -1}
    _shown = ("dim",)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.glu(input, self.dim)


class PReLU(Module):
    """x where x > 0, else weight*x.

    Parameters
    ----------
    num_parameters : int
        1, or one per channel.
    init : float
        The weight's initial value.
    device, dtype : optional
        The CPU; the type of the weight.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(_core.full((num_parameters,), init, dtype=dtype or _core.float32))

    def reset_parameters(self) -> None:
        """Set the weight to its initial value."""
        self.weight.detach().fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Write how many weights there are."""
        return f"num_parameters={self.num_parameters}"

"""Dropout of whole channels, and for self-normalizing networks."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from .simple import Dropout


class _Dropout(Dropout):
    """A function of `functional` that drops."""

    _function = ""

    def forward(self, input: Tensor) -> Tensor:
        """Drop, while training."""
        return getattr(F, self._function)(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Sets whole channels of (N, C, L) to zero with probability `p`, and scales the others."""

    _function = "dropout1d"


class Dropout2d(_Dropout):
    """Sets whole channels of (N, C, H, W) to zero with probability `p`, and scales the others."""

    _function = "dropout2d"


class Dropout3d(_Dropout):
    """Sets whole channels of (N, C, D, H, W) to zero with probability `p`."""

    _function = "dropout3d"


class AlphaDropout(_Dropout):
    """Sets elements to SELU's lower bound, and keeps mean and variance."""

    _function = "alpha_dropout"

    def forward(self, input: Tensor) -> Tensor:
        """Drop, while training; as PyTorch's, whatever `inplace` says, into a new tensor."""
        return getattr(F, self._function)(input, self.p, self.training)


class FeatureAlphaDropout(AlphaDropout):
    """`AlphaDropout` of whole channels."""

    _function = "feature_alpha_dropout"

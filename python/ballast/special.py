"""Special functions, as ``torch.special``: most are the package's own under other names."""

from __future__ import annotations

from . import _core, _operations
from ._core import _special

# PyTorch's names there, and those of the same functions in the package.
_NAMES = {
    "digamma": "digamma",
    "erf": "erf",
    "erfc": "erfc",
    "erfinv": "erfinv",
    "exp2": "exp2",
    "expit": "sigmoid",
    "expm1": "expm1",
    "gammainc": "igamma",
    "gammaincc": "igammac",
    "gammaln": "lgamma",
    "i0": "i0",
    "log1p": "log1p",
    "log_softmax": "log_softmax",
    "logit": "logit",
    "logsumexp": "logsumexp",
    "multigammaln": "mvlgamma",
    "polygamma": "polygamma",
    "psi": "digamma",
    "round": "round",
    "sinc": "sinc",
    "softmax": "softmax",
    "xlogy": "xlogy",
}


def xlog1py(input: _core.Tensor, other: _core.Tensor) -> _core.Tensor:
    """input*log(1 + other), 0 where input is 0."""
    none = input == 0
    return _core.where(none, _core.zeros_like(input), input * other.log1p())


_ALL = {
    "xlog1py": xlog1py,
    **{name: getattr(_special, name) for name in vars(_special) if not name.startswith("_")},
    **{
        name: getattr(_operations, old, None) or getattr(_core, old) for name, old in _NAMES.items()
    },
}
__all__ = sorted(_ALL)  # noqa: PLE0605 (names made above)
globals().update(_ALL)

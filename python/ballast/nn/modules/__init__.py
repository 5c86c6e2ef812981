"""Where PyTorch's layers are defined (``torch.nn.modules.conv`` ...), for files that name it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from itertools import repeat
from types import ModuleType
from typing import Any

from ... import nn as _nn
from .._state import _IncompatibleKeys
from ..conv import _ConvNd, _ConvTranspose
from ..layers import NonDynamicallyQuantizableLinear
from ..loss import _Loss, _WeightedLoss
from ..norm import _BatchNorm, _InstanceNorm, _NormBase
from ..transformer import _activation_of, _get_clones
from ..utils.rnn import PackedSequence


def _ntuple(n: int, name: str = "parse") -> Callable:
    def parse(x: Any) -> tuple:
        return tuple(x) if hasattr(x, "__iter__") else tuple(repeat(x, n))

    parse.__name__ = name
    return parse


# What files take from the places beyond the layers themselves.
_PRIVATE: dict[str, dict[str, Any]] = {
    "activation": {},
    "batchnorm": {"_BatchNorm": _BatchNorm, "_NormBase": _NormBase},
    "container": {},
    "conv": {"_ConvNd": _ConvNd, "_ConvTransposeNd": _ConvTranspose},
    "dropout": {},
    "instancenorm": {"_InstanceNorm": _InstanceNorm},
    "linear": {"NonDynamicallyQuantizableLinear": NonDynamicallyQuantizableLinear},
    "loss": {"_Loss": _Loss, "_WeightedLoss": _WeightedLoss},
    "module": {"_IncompatibleKeys": _IncompatibleKeys},
    "normalization": {},
    "padding": {},
    "pooling": {},
    "rnn": {"PackedSequence": PackedSequence},
    "transformer": {"_get_activation_fn": _activation_of, "_get_clones": _get_clones},
    "utils": {
        "_ntuple": _ntuple,
        **{f"_{n}": _ntuple(i, f"_{n}") for i, n in enumerate(("single", "pair", "triple"), 1)},
        "_quadruple": _ntuple(4, "_quadruple"),
    },
}


class _Place(ModuleType):
    """A module that has all of ``torch.nn``'s layers."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_nn, name)


def __getattr__(name: str) -> Any:
    return getattr(_nn, name)


for _name, _values in _PRIVATE.items():
    _place = _Place(f"{__name__}.{_name}", f"As ``torch.nn.modules.{_name}``.")
    _place.__spec__ = ModuleSpec(_place.__name__, None)
    vars(_place).update(_values)
    sys.modules[_place.__name__] = globals()[_name] = _place

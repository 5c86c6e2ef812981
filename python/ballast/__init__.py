"""Batch-normalized neural networks on CPUs, with PyTorch's API.

``import ballast as torch`` and ``import ballast.nn as nn`` run a PyTorch program.
"""

# ruff: noqa: F401, F403 (names of the package)
from __future__ import annotations

import builtins
import math as _math
import sys as _sys

from . import _arguments, _core, _missing, _types
from ._core import *
from ._core import (
    Generator,
    Tensor,
    __version__,
    bool,
    cat,
    div,
    dtype,
    float32,
    float64,
    int64,
    manual_seed,
    mul,
    sub,
    uint8,
)
from ._dtypes import *
from ._types import Size, device

from . import _tensor, _operations  # isort: skip
from ._assertions import (
    _assert,
    _assert_async,
    _check,
    _check_index,
    _check_is_size,
    _check_not_implemented,
    _check_tensor_all,
    _check_type,
    _check_value,
)
from ._create import (
    _numpy_values,
    as_tensor,
    from_dlpack,
    from_numpy,
    frombuffer,
    normal,
    scalar_tensor,
    tensor,
)
from ._einsum import einsum
from ._operations import *
from ._printing import set_printoptions
from ._random import bernoulli, multinomial, poisson, randint_like
from ._settings import *
from .autograd import enable_grad, grad, inference_mode, no_grad, set_grad_enabled

from . import amp, autograd, backends, cuda, data, linalg, nn, onnx, optim, random, special, utils  # isort: skip
from ._explain import explain
from ._serialization import load, save
from .random import get_rng_state, initial_seed, seed, set_rng_state

concat = concatenate = cat
subtract, multiply, divide = sub, mul, div
inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e


def is_tensor(obj) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj) -> bool:
    """Whether `obj` is a storage: False, tensors keep theirs to themselves."""
    return False


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same size."""
    return input.shape == other.shape


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero."""
    return builtins.bool(input)


def typename(obj) -> str:
    """Name the type of an object, of a tensor with its elements' type."""
    return obj.type() if isinstance(obj, Tensor) else f"{obj.__module__}.{obj.__qualname__}"


def numel(input: Tensor) -> int:
    """Count the elements."""
    return input.numel()


asarray = as_tensor
floor_divide, remainder = Tensor.floor_divide, Tensor.remainder
newaxis = None


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same size and elements."""
    return input.equal(other)


def allclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> bool:
    """Whether ``|input - other| <= atol + rtol*|other|`` everywhere."""
    return builtins.bool(_operations.isclose(input, other, rtol, atol, equal_nan).all())


for _names in (globals(), vars(nn.functional), vars(nn.init), vars(linalg)):
    _arguments.check_arguments(_names, _names["__name__"].rpartition(".")[0] or __name__)
_arguments.check_devices(nn.Module)
_operations.spellings.install(
    _core, Tensor, Generator, linalg, nn.functional, _sys.modules[__name__]
)

from . import overrides  # isort: skip  # noqa: E402 (wraps what is above)

overrides._install([globals(), vars(nn.functional), vars(linalg)])

from . import models, study  # isort: skip  # noqa: E402 (programs that call what is above)

_missing.guard(globals(), "torch")
_missing.guard(nn, "torch.nn")
_missing.guard(nn.functional, "torch.nn.functional")
_missing.guard(nn.utils, "torch.nn.utils")
_missing.guard(onnx, "torch.onnx")
_missing.guard(optim, "torch.optim")
_missing.guard(optim.lr_scheduler, "torch.optim.lr_scheduler")
_missing.guard(special, "torch.special")
_missing.guard(utils, "torch.utils")
_missing.guard(utils.data, "torch.utils.data")
_missing.guard(autograd, "torch.autograd")

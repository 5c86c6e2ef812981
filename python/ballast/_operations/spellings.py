"""PyTorch's further spellings of calls, in one place for all functions and methods.

Every function takes NumPy's names of its arguments (``axis=``, ``keepdims=``, ``x1=``), lists of
sizes by name (``x.view(size=(2, 3))``), ``memory_format=`` and ``out=``. A call is translated only
after its own arguments did not fit, so the usual spelling costs nothing.
"""

from __future__ import annotations

import functools
import inspect
import re
import threading
import types
import warnings
from collections.abc import Callable
from typing import Any

from .. import _core
from .._core import Tensor
from .._dtypes import can_cast, strided
from .._tensor import assign
from .refusals import retried
from .signatures import FULL

# PyTorch's names for NumPy's.
NAMES = {
    "axis": "dim",
    "keepdims": "keepdim",
    "x": "input",
    "x1": "input",
    "a": "input",
    "x2": "other",
}
# Lists that methods take as `f(2, 3)`, `f((2, 3))` or by these names.
LISTS = ("size", "shape", "dims", "sizes", "repeats")
LISTED = frozenset(
    "view reshape expand permute flip repeat tile new_empty new_zeros new_ones".split()
)
# Arguments that change nothing here, because elements lie row by row.
LAYOUTS = ("memory_format",)
# Options of functions that make tensors, with the values that change nothing here.
MADE_WITH = {"layout": (None, strided), "pin_memory": (None, False)}
MAKERS = re.compile(
    "(arange|empty|eye|full|linspace|logspace|ones|rand|randint|randn|randperm|zeros)(_like)?"
    "|new_(empty|full|ones|zeros)"
)
# Functions that have no `out=` in PyTorch: they return views, or what is no tensor.
WITHOUT_OUT = frozenset(
    """
    adjoint allclose argwhere as_strided as_strided_scatter as_tensor asarray
    atleast_1d atleast_2d atleast_3d bilinear bincount block_diag broadcast_shapes
    broadcast_tensors broadcast_to cartesian_prod cdist chunk clone combinations
    constant_pad_nd corrcoef cosine_similarity count_nonzero cov cumulative_trapezoid detach
    diagflat diagonal diagonal_scatter dist dropout dsplit einsum embedding embedding_bag
    equal expand expand_as fill flatten flip fliplr flipud from_numpy gradient group_norm
    hsplit instance_norm is_nonzero is_same_size is_tensor isclose isfinite isinf isnan isreal
    item layer_norm logdet masked_fill masked_scatter matrix_exp meshgrid moveaxis movedim
    narrow numel pairwise_distance pdist permute pinverse pixel_shuffle pixel_unshuffle prelu
    ravel relu repeat repeat_interleave reshape result_type roll rot90 rrelu rsub
    scalar_tensor select select_scatter selu split squeeze swapaxes swapdims t
    tensor tensor_split tile trace transpose trapezoid trapz unbind unflatten unfold unique
    unique_consecutive unravel_index unsqueeze vander view view_as vsplit
    """.split()
)


# Functions that return nothing where they write to the tensors of `out=`.
SILENT = frozenset(("split_copy", "split_with_sizes_copy", "unbind_copy"))


class _Tried(threading.local):
    """The functions whose full signature a thread is about to try: none is tried within itself."""

    def __init__(self):
        self.names: list[str] = []


_tried = _Tried()


def translate(function: Callable, args: tuple, kwargs: dict[str, Any]):
    """Call `function` by another spelling; NotImplemented where the call has none."""
    if "out" in kwargs:
        if function.__name__ in WITHOUT_OUT or function.__name__.endswith("_"):
            return NotImplemented
        return _into(function, args, dict(kwargs))
    dropped = {*LAYOUTS, *_made_with(function.__name__, kwargs)}
    names = {NAMES.get(k, k): v for k, v in kwargs.items() if k not in dropped}
    if len(names) < len(kwargs.keys() - dropped):
        return NotImplemented
    if names.keys() != kwargs.keys():
        result = function(*args, **names)
        # In PyTorch another order of elements is another tensor.
        other_order = "channels_last" in str(kwargs.get("memory_format"))
        same = other_order and isinstance(result, Tensor) and result._same_as(args[0])
        return result.clone() if same else result
    for name in LISTS:
        if name in kwargs and function.__name__ in LISTED:
            rest = {k: v for k, v in kwargs.items() if k != name}
            return function(*args, kwargs[name], **rest)
    found = _in_full(function.__name__, args, kwargs)
    return retried(function, args, kwargs) if found is NotImplemented else found


def _made_with(name: str, kwargs: dict[str, Any]) -> set[str]:
    """Name the options in a call of a function that makes a tensor which change nothing here."""
    if not MADE_WITH.keys() & kwargs.keys() or not MAKERS.fullmatch(name):
        return set()
    for option, values in MADE_WITH.items():
        if option in kwargs and kwargs[option] not in values:
            raise NotImplementedError(
                f"{name}(): {option}={kwargs[option]!r} is not in Ballast: tensors lie row by row "
                "in the memory of the CPU"
            )
    return MADE_WITH.keys() & kwargs.keys()


def _in_full(name: str, args: tuple, kwargs: dict[str, Any]):
    """Call the function of PyTorch's full signature, where there is one that the call fits."""
    base = name.removesuffix("_")
    function = FULL.get(base)
    if function is None and base != name:
        function = getattr(Tensor, base, None)
    if function is None or name in _tried.names or not _fits(function, args, kwargs):
        return NotImplemented
    _tried.names.append(name)
    try:
        value = function(*args, **kwargs)
    finally:
        _tried.names.remove(name)
    return assign(args[0], value) if base != name else value


def _fits(function: Callable, args: tuple, kwargs: dict[str, Any]) -> bool:
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    except ValueError:  # a bound function says by itself what fits
        return True
    return True


def _into(function: Callable, args: tuple, kwargs: dict[str, Any]):
    """Write what `function` returns to the tensors of `out`."""
    out = kwargs.pop("out")
    if out is None:
        return function(*args, **kwargs)
    if _core.is_grad_enabled() and any(t.requires_grad for t in _tensors([args, kwargs, out])):
        raise RuntimeError(
            f"{function.__name__}(): functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad."
        )
    result = function(*args, **kwargs)
    values, outs = _tensors([result]), _tensors([out])
    single = isinstance(result, Tensor) or function.__name__ == "nonzero"
    if len(values) != len(outs) or single != isinstance(out, Tensor):
        raise TypeError(
            f"{function.__name__}(): argument 'out' must be {len(values)} tensors, not "
            f"{type(out).__name__}"
        )
    for value, target in zip(values, outs, strict=True):
        _write(value, target)
    if isinstance(result, Tensor):
        return out
    if function.__name__ in SILENT:
        return None
    return type(result)(*outs) if hasattr(result, "_fields") else type(result)(outs)


def _write(value: Tensor, target: Tensor) -> None:
    if value.shape == target.shape:
        assign(target, value)
        return
    if target.numel():
        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(target.shape)}, which does not match the required output shape "
            f"{list(value.shape)}.",
            stacklevel=5,
        )
    if not can_cast(value.dtype, target.dtype):
        assign(target, value)
    target._become(value._cast(target.dtype).clone())


def _tensors(values) -> list[Tensor]:
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    return [t for v in values for t in _tensors(v)] if isinstance(values, (list, tuple)) else []


@functools.cache
def spelled(function: types.FunctionType) -> Callable:
    """Make a function of Python take the further spellings."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except (TypeError, NotImplementedError):
            result = translate(function, args, kwargs)
            if result is NotImplemented:
                raise
            return result

    return call


def install(*owners) -> None:
    """Make all functions of modules and classes take the further spellings."""
    for owner in owners:
        for name, f in list(vars(owner).items()):
            if name.startswith("_"):
                continue
            if type(f).__name__ in ("nb_func", "nb_method"):
                _core._take_spellings(f)
            elif isinstance(f, types.FunctionType) and _operation(f):
                setattr(owner, name, spelled(f))


def _operation(f: types.FunctionType) -> bool:
    """Whether a function of the package computes with tensors."""
    parts = ("ballast._operations", "ballast.linalg", "ballast.nn.functional", "ballast.nn._")
    return f.__module__.startswith(parts) or (
        f.__module__ in ("ballast", "ballast._tensor") and not hasattr(f, "__wrapped__")
    )


_core._translate_by(translate)

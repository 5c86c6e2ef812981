"""What PyTorch makes of arguments that fit no signature of a function bound in C++.

PyTorch writes many layers' functions in Python, where a flag is taken by its truth, ``None`` stands
for an option that is not given, and a wrong choice is a ``ValueError``. `spellings` asks here after
a call did not fit, so the calls that fit cost nothing.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable
from typing import Any

from .._arguments import choice_error

# Options that are as if not given where they are None.
OPTIONAL = frozenset("dtype requires_grad generator layout pin_memory".split())
# Arguments of single functions that may be None, too.
NONE = {
    "size": {"dim"},
    "stride": {"dim"},
    "as_strided": {"storage_offset"},
    "nan_to_num": {"nan"},
}
# Flags that may be whole numbers.
INDEXED = frozenset("retain_graph create_graph".split())
# Sizes of windows, of which functions of images take one or two.
WINDOWS = frozenset("kernel_size stride padding dilation".split())
PAIRED = frozenset("conv2d max_pool2d avg_pool2d".split())


@functools.cache
def parameters(function: Callable) -> tuple[str, ...]:
    """Name the parameters that a bound function takes by place, as its longest signature does; none
    where it takes any number of them."""
    names: list[list[str]] = []
    for signature, *_ in getattr(function, "__nb_signature__", ()):
        inner = signature.partition("(")[2].rpartition(" ->")[0].rpartition(")")[0]
        if "*size" in inner or "*args" in inner:
            return ()
        names.append(re.findall(r"(?:^|, )(\w+)(?=:|,|$)", inner.partition("*, ")[0]))
    return tuple(max(names, key=len, default=[]))


def retried(function: Callable, args: tuple, kwargs: dict[str, Any]):
    """Call a bound function as PyTorch's would understand the arguments, or raise as it does;
    NotImplemented where they mean nothing else."""
    order = parameters(function)
    listed = () if order else args  # a function of sizes, whose other arguments have names
    given = dict(zip(order, args, strict=False)) | kwargs
    name = function.__name__.removeprefix("_")
    if len(given) < len(args) - len(listed) + len(kwargs):
        return NotImplemented
    new = dict(given)
    for key, value in given.items():
        if value is None and (key in kwargs and key in OPTIONAL or key in NONE.get(name, ())):
            del new[key]
        elif key == "inplace" and not isinstance(value, bool):
            if value is not None and name == "threshold":  # torch.threshold has no such flag
                return NotImplemented
            new[key] = bool(value)
        elif key in INDEXED and value is not None and not isinstance(value, bool):
            new[key] = bool(operator.index(value))
        elif key == "reduction" and not isinstance(value, str):
            raise choice_error(name, key, value)
        elif key in WINDOWS and name in PAIRED and _too_many(value):
            raise RuntimeError(f"{name}: {key} must be a single int, or a tuple of two ints")
        elif key == "seed":
            if "self" in given:
                kind = type(value).__name__
                raise RuntimeError(f"manual_seed expected a long, but got {kind}")
            new[key] = int(value)
        elif (name, key) == ("multi_margin_loss", "p") and type(value) is not int:
            if value not in (1, 2):
                raise ValueError("only p == 1 and p == 2 supported")
            new[key] = int(value)
    changed = new.keys() != given.keys() or any(new[k] is not given[k] for k in new)
    if not changed:
        return NotImplemented
    return function(*listed, **new) if listed else _called(function, new)


def _too_many(value) -> bool:
    return isinstance(value, (list, tuple)) and len(value) not in (1, 2)


def _called(function: Callable, named: dict[str, Any]):
    """Call with the first arguments by place: a method's own has no name."""
    order = parameters(function)
    places: list[Any] = []
    for key in order:
        if key not in named:
            break
        places.append(named[key])
    return function(*places, **{k: v for k, v in named.items() if k not in order[: len(places)]})

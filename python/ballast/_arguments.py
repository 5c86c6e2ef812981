"""Check the arguments of operations written in Python, by their annotations.

Operations bound from C++ check theirs in the binding. Both follow PyTorch: `True` is no whole
number, a tensor is a number only where it has no dimensions and no gradient, and what does not fit
is a ``TypeError`` that names the argument.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import operator
from collections.abc import Callable
from typing import Any, TypeVar

from ._core import Tensor
from ._core import dtype as _dtype
from ._types import check_device

_Function = TypeVar("_Function", bound=Callable)


def _number(value, floating: bool) -> bool:
    """Whether a value of an unusual type is a number for PyTorch: NumPy's, or a tensor's."""
    if isinstance(value, Tensor):
        whole = not value.dtype.is_floating_point and "bool" not in repr(value.dtype)
        return value.dim() == 0 and not value.requires_grad and (floating or whole)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in (("i", "u", "f") if floating else ("i", "u")) and not value.shape


def _is_int(value) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or _number(value, False)


def _is_float(value) -> bool:
    return isinstance(value, (int, float)) or _number(value, True)


def _is_tensors(value) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(v, Tensor) for v in value)


def _is_dims(value) -> bool:
    return _is_int(value) or (isinstance(value, (list, tuple)) and all(map(_is_int, value)))


# What an annotation's parts take: the types that fit at once, and a function that judges others.
_PARTS: dict[str, tuple[tuple, Callable[[Any], bool]]] = {
    "Tensor": ((Tensor,), lambda value: isinstance(value, Tensor)),
    "int": ((int,), _is_int),
    "float": ((float, int, bool), _is_float),
    "bool": ((bool,), lambda value: type(value).__name__ in ("bool", "bool_")),
    "str": ((str,), lambda value: isinstance(value, str)),
    "Dims": ((int,), _is_dims),
    "Sequence[Tensor]": ((), _is_tensors),
    "None": ((type(None),), lambda value: value is None),
}


# Parameters that name one of several choices: PyTorch refuses what is no name as it refuses any
# other name.
_CHOICES: dict[str, tuple[type[Exception], str]] = {
    "reduction": (ValueError, "{!s} is not a valid value for reduction"),
    "embedding_bag.mode": (ValueError, "mode has to be one of sum, mean or max, got {!s}"),
    "interpolate.mode": (NotImplementedError, "interpolate: unknown mode {!s}"),
    "nonlinearity": (ValueError, "Unsupported nonlinearity {!s}"),
}

_MOST_KNOWN = 64

# Functions that networks call all the time, and that pass their arguments on to one bound from C++,
# which checks them.
_BOUND = frozenset(
    """
    adaptive_avg_pool2d avg_pool2d batch_norm conv1d conv2d conv3d dropout layer_norm max_pool2d
    relu softmax
    """.split()
)


def choice_error(function: str, name: str, value) -> Exception | None:
    """PyTorch's exception for a value that names no choice; None where it has no own one."""
    kind = _CHOICES.get(f"{function}.{name}") or _CHOICES.get(name)
    return kind and kind[0](kind[1].format(value))


class _Rule:
    """What one parameter takes."""

    def __init__(self, name: str, annotation: str):
        parts = [part.strip() for part in annotation.split("|")]
        self.name, self.annotation = name, annotation
        self.types = frozenset(t for part in parts for t in _PARTS[part][0])
        self.judges = [_PARTS[part][1] for part in parts]
        self.whole = "int" in parts and "float" not in parts and "Tensor" not in parts

    def judge(self, function: str, value):
        """Give back a value that fits, as the function's body expects it; raise for others."""
        if not any(judge(value) for judge in self.judges):
            kind = type(value).__name__
            error = choice_error(function, self.name, value)
            if error:
                raise error
            raise TypeError(
                f"{function}(): argument '{self.name}' must be {self.annotation}, not {kind}"
            )
        if self.whole and not isinstance(value, (int, list, tuple, type(None))):
            return operator.index(value)
        return value


class _DeviceRule:
    """The rule of a parameter named `device`: nothing, or the CPU."""

    types = frozenset({type(None)})

    def judge(self, function: str, value):
        """Give back a value that names the CPU; raise for others."""
        check_device(value)
        return value


class _DTypeRule:
    """The rule of a parameter named `dtype`: nothing, a type, or Python's name for one."""

    types = frozenset({type(None), _dtype})

    def judge(self, function: str, value):
        """Give back a type; raise for anything else."""
        if not isinstance(value, type) or value not in (float, int, bool):
            kind = type(value).__name__
            raise TypeError(f"{function}(): argument 'dtype' must be torch.dtype, not {kind}")
        return value


_NAMED = {"device": _DeviceRule, "dtype": _DTypeRule}
_AnyRule = _Rule | _DeviceRule | _DTypeRule | None


def _rules(parameters) -> list[_AnyRule]:
    """One rule for each parameter; none where its annotation is not understood."""
    out: list[_AnyRule] = []
    for p in parameters:
        if p.name in _NAMED:
            out.append(_NAMED[p.name]())
            continue
        parts = [part.strip() for part in str(p.annotation).split("|")]
        known = isinstance(p.annotation, str) and all(part in _PARTS for part in parts)
        out.append(_Rule(p.name, p.annotation) if known and p.kind != p.VAR_KEYWORD else None)
    return out


def checked(function: _Function, only: tuple[str, ...] = ()) -> _Function:
    """Make a function that checks its arguments' types by their annotations before it begins; or
    of the arguments that `only` names."""
    if hasattr(function, "__wrapped__"):
        return function
    parameters = list(inspect.signature(function).parameters.values())
    rules = _rules(parameters)
    if only:
        rules = [r if p.name in only else None for p, r in zip(parameters, rules, strict=True)]
    if not any(rules):
        return function
    positional = [r for p, r in zip(parameters, rules, strict=True) if p.kind <= 1]
    rest = [r for p, r in zip(parameters, rules, strict=True) if p.kind == p.VAR_POSITIONAL]
    named = {p.name: r for p, r in zip(parameters, rules, strict=True) if r}
    name = function.__name__

    known: set[tuple] = set()  # the types of calls that need no look at their values

    @functools.wraps(function)
    def call(*args, **kwargs):
        types = tuple(map(type, args))
        if kwargs:
            types += (*kwargs, *map(type, kwargs.values()))
        if types in known:
            return function(*args, **kwargs)
        if len(args) > len(positional) and not rest:
            return function(*args, **kwargs)  # raises
        judged = False
        judges = itertools.chain(positional, itertools.repeat(rest[0])) if rest else positional
        for at, (value, rule) in enumerate(zip(args, judges, strict=False)):
            if rule is not None and type(value) not in rule.types:
                judged = True
                new = rule.judge(name, value)
                if new is not value:
                    args = (*args[:at], new, *args[at + 1 :])
        for key, value in kwargs.items():
            rule = named.get(key)
            if rule is not None and type(value) not in rule.types:
                judged = True
                kwargs[key] = rule.judge(name, value)
        if not judged and len(known) < _MOST_KNOWN:
            known.add(types)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def check_arguments(names: dict, package: str) -> None:
    """Make the functions among a module's names check their arguments."""
    for name, value in list(names.items()):
        own = inspect.isfunction(value) and value.__module__.startswith(package)
        if own and name[0] != "_" and name not in _BOUND:
            names[name] = checked(value)


def check_devices(base: type) -> None:
    """Make the subclasses of a class check the device and the type that they are made with."""
    for kind in base.__subclasses__():
        if "device" in inspect.signature(kind.__init__).parameters and "__init__" in vars(kind):
            kind.__init__ = checked(kind.__init__, ("device", "dtype"))
        check_devices(kind)

"""Operators that programs define in Python, as ``torch.library``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ops
from .autograd import Function

__all__ = [
    "CustomOpDef",
    "Library",
    "custom_op",
    "define",
    "get_ctx",
    "impl",
    "register_autograd",
    "register_fake",
    "register_kernel",
]


class CustomOpDef:
    """An operator made of a Python function, with a derivative where one is registered."""

    def __init__(self, name: str, function: Callable):
        self._name, self._function = name, function
        self._backward: Callable | None = None
        self._setup: Callable | None = None
        self.__name__, self.__doc__ = name.partition("::")[2], function.__doc__
        ops.register(name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute, recorded for the derivative where there is one."""
        if self._backward is None:
            return self._function(*args, **kwargs)
        return self._derived(*args, **kwargs)

    def _derived(self, *args: Any, **kwargs: Any) -> Any:
        operator = self

        class Derived(Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                output = operator._function(*inputs, **kwargs)
                if operator._setup is not None:
                    operator._setup(ctx, inputs, output)
                return output

            @staticmethod
            def backward(ctx: Any, *gradients: Any) -> Any:
                assert operator._backward is not None
                return operator._backward(ctx, *gradients)

        return Derived.apply(*args)

    def register_autograd(
        self, backward: Callable, /, *, setup_context: Callable | None = None
    ) -> None:
        """Set the derivative: `backward(ctx, *gradients)`, `setup_context(ctx, inputs, output)`."""
        self._backward, self._setup = backward, setup_context

    def register_fake(self, fn: Callable, /) -> Callable:
        """Return the function: shapes are known without it."""
        return fn

    def register_kernel(self, device_types: Any, fn: Callable | None = None, /) -> Callable:
        """Take another function where it is for the CPU."""

        def register(function: Callable) -> Callable:
            kinds = [device_types] if isinstance(device_types, str) else device_types
            if kinds is None or "cpu" in kinds:
                self._function = function
            return function

        return register if fn is None else register(fn)

    def register_vmap(self, fn: Callable, /) -> Callable:
        """Return the function."""
        return fn


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: Any = (),
    device_types: Any = None,
    schema: str | None = None,
) -> Any:
    """Make an operator ``torch.ops.<namespace>.<name>`` of a function; a decorator, too."""
    return CustomOpDef(name, fn) if fn is not None else lambda f: CustomOpDef(name, f)


def _defined(op: Any) -> CustomOpDef | None:
    if isinstance(op, CustomOpDef):
        return op
    found = ops._OPERATORS.get(op if isinstance(op, str) else getattr(op, "_name", ""))
    return found if isinstance(found, CustomOpDef) else None


def register_fake(op: Any, func: Callable | None = None, /, **kwargs: Any) -> Callable:
    """Return the function that computes shapes: they are known without it."""
    return func if func is not None else lambda f: f


impl_abstract = register_fake


def register_autograd(
    op: Any, backward: Callable, /, *, setup_context: Callable | None = None, lib: Any = None
) -> None:
    """Set the derivative of an operator that a program has defined; others have theirs."""
    defined = _defined(op)
    if defined is not None:
        defined.register_autograd(backward, setup_context=setup_context)


def register_kernel(op: Any, device_types: Any, func: Callable | None = None, /, **kw: Any) -> Any:
    """Set the function of an operator that a program has defined."""
    defined = _defined(op)
    if defined is None:
        raise RuntimeError(f"register_kernel: no operator {op} was defined by custom_op")
    return defined.register_kernel(device_types, func)


class Library:
    """A set of operators; those for other devices and for compilers are not taken."""

    def __init__(self, ns: str, kind: str, dispatch_key: str = ""):
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._taken = dispatch_key in ("", "CPU", "CompositeImplicitAutograd")

    def define(self, schema: str, *args: Any, **kwargs: Any) -> str:
        """Declare an operator; `impl` makes it."""
        return schema.partition("(")[0]

    def impl(self, op_name: Any, fn: Callable, dispatch_key: str = "", **kwargs: Any) -> None:
        """Make an operator of a function."""
        taken = self._taken and dispatch_key in ("", "CPU", "CompositeImplicitAutograd")
        if taken and isinstance(op_name, str):
            ops.register(f"{self.ns}::{op_name.rpartition('::')[2]}", fn)


def define(qualname: str, schema: str, **kwargs: Any) -> None:
    """Declare an operator; `impl` makes it."""


def impl(qualname: str, types: Any, func: Callable | None = None, **kwargs: Any) -> Any:
    """Make a declared operator of a function; a decorator, too."""

    def register(function: Callable) -> Callable:
        if types in ("default", "cpu", "CPU", ("cpu",), ["cpu"]):
            ops.register(qualname, function)
        return function

    return register if func is None else register(func)


def get_ctx() -> Any:
    """Refuse: sizes that only a compiler needs."""
    raise NotImplementedError("torch.library.get_ctx is not in Ballast: shapes are always known")

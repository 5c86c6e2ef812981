"""PyTorch's compiled part: packages take guards against subclasses' overrides from here."""

from __future__ import annotations

from typing import Any

from ..._core import Tensor, dtype, empty
from ..._types import device
from ...overrides import DisableTorchFunctionSubclass, _disabled_torch_function_impl  # noqa: F401

DisableTorchFunction = DisableTorchFunctionSubclass
_has_torch_function = False


def _get_tracing_state() -> None:
    """Say that no tracing goes on."""
    return None


def _log_api_usage_once(name: str) -> None:
    """Record nothing."""


class DispatchKey:
    """Names of PyTorch's dispatch keys; nothing is dispatched by them here."""

    AutocastCPU, AutocastCUDA, AutocastXPU = "AutocastCPU", "AutocastCUDA", "AutocastXPU"


class DispatchKeySet:
    """A set of such names."""

    def __init__(self, *keys: str):
        self._keys = frozenset(keys)

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*self._keys, *other._keys)

    def has(self, key: str) -> bool:
        """Whether the name is in the set."""
        return key in self._keys


class _ExcludeDispatchKeyGuard:
    """Excludes names from a dispatch that does not take place, within a `with` block."""

    def __init__(self, keys: DispatchKeySet):
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass


class Graph:
    """PyTorch's traced graphs, for annotations: there are none."""


class Value(Graph):
    """A value of such a graph."""


class Node(Graph):
    """A node of such a graph."""


_TensorMeta = type(Tensor)


class PyTorchFileReader:
    """The type of PyTorch's readers, for annotations: no object is an instance."""


class PyTorchFileWriter(PyTorchFileReader):
    """The type of its writers."""


class _nn:  # noqa: N801 (PyTorch's name)
    """What lightning uses of PyTorch's functions for layers."""

    @staticmethod
    def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
        """Read the arguments of ``Module.to``: device, dtype, non_blocking, memory_format."""
        empty(0).to(*args, **kwargs)  # raises where they are wrong
        named = dict(kwargs)
        for value in args:
            if isinstance(value, Tensor):
                named |= {"device": value.device, "dtype": value.dtype}
            elif isinstance(value, dtype):
                named["dtype"] = value
            elif isinstance(value, (str, int, device)) and not isinstance(value, bool):
                named["device"] = value
            elif isinstance(value, bool):
                named.setdefault("non_blocking", value)
        where = named.get("device")
        return (
            None if where is None else device(where),
            named.get("dtype"),
            bool(named.get("non_blocking", False)),
            named.get("memory_format"),
        )

"""PyTorch's compiled part: packages take guards against subclasses' overrides from here."""

from __future__ import annotations

from ..._core import Tensor
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

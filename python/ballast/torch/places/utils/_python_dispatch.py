"""ptflops counts operations by a mode below autograd, if asked; Ballast has no such mode."""

from .._refuse import refused


class TorchDispatchMode:
    """Refuses to be entered: operations are not dispatched below autograd."""

    __enter__ = refused("TorchDispatchMode", "use forward hooks, or ballast.explain")

    def __exit__(self, *exception) -> None:
        """Nothing was entered."""


def is_traceable_wrapper_subclass(t) -> bool:
    """Whether a tensor is made of others: no."""
    return False

"""Tensors without elements: no tensor is an instance."""

from .._refuse import refused


class FakeTensor:
    """No tensor is an instance."""


class FakeTensorMode:
    """Refuses to be made."""

    __init__ = refused("FakeTensorMode", "make small tensors instead")


def is_fake(x) -> bool:
    """Whether a tensor has no elements: no."""
    return False

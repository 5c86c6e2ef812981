"""Derivatives that go forward with the values, as ``torch.autograd.forward_ad``: there are none.

Packages ask whether a tensor has one, before they take a faster way; the answer is no.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from .._core import Tensor

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level"]
__all__ += ["make_dual", "unpack_dual"]

_INSTEAD = "use torch.autograd.grad, whose create_graph=True gives products with directions"


class UnpackedDualTensor(NamedTuple):
    """A value, and its derivative where there is one."""

    primal: Tensor
    tangent: Tensor | None


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """Return the tensor and None: no tensor has a forward derivative."""
    return UnpackedDualTensor(tensor, None)


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(f"torch.autograd.forward_ad.{name} is not in Ballast: {_INSTEAD}")


def enter_dual_level() -> int:
    """Refuse: derivatives go backward."""
    _refuse("enter_dual_level")


def exit_dual_level(*, level: int | None = None) -> None:
    """Refuse: derivatives go backward."""
    _refuse("exit_dual_level")


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Any:
    """Refuse: derivatives go backward."""
    _refuse("make_dual")


class dual_level:  # noqa: N801 (PyTorch's name)
    """Refuses to be entered: derivatives go backward."""

    def __enter__(self) -> int:
        _refuse("dual_level")

    def __exit__(self, *exception: Any) -> None:
        """Nothing was entered."""

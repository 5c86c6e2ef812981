"""Operators under PyTorch's names, ``torch.ops.aten``: Ballast's functions where it has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._core import Tensor
from .nn import functional as F

#: Names that Ballast has and that are no operators in PyTorch.
_NO_OPERATORS = frozenset(
    """
    apply_ are_deterministic_algorithms_enabled as_subclass asarray byte char cholesky compile
    data_ptr dropout1d dropout2d dropout3d explain fold from_dlpack from_numpy frombuffer
    is_shared is_storage is_tensor load local_response_norm logsigmoid lu manual_seed
    ndimension nelement new new_tensor numpy qr register_hook register_post_accumulate_grad_hook
    save share_memory_ softsign storage tanhshrink tensor tolist type typename unique
    unravel_index untyped_storage use_deterministic_algorithms
    """.split()
)
#: Functions that take other arguments than the operator of their name: losses say their reduction
#: by a text and not by a number; and so does `elu`, which has two scales more.
_OTHER_ARGUMENTS = ("_loss", "cross_entropy", "_entropy_with_logits", "kl_div")


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *_choices: bool,
) -> Tensor:
    """Convolve over one, two or three dimensions, or go back where `transposed` is true."""
    dimensions = weight.dim() - 2
    if dimensions not in (1, 2, 3):
        raise RuntimeError(
            f"convolution: expected a weight of 3 to 5 dimensions, got shape {tuple(weight.shape)}"
        )
    if transposed:
        back = getattr(F, f"conv_transpose{dimensions}d")
        return back(input, weight, bias, stride, padding, output_padding, groups, dilation)
    forward = getattr(F, f"conv{dimensions}d")
    return forward(input, weight, bias, stride, padding, dilation, groups)


def find(name: str) -> Callable | None:
    """Find the function of an operator by its name; None where there is none."""
    import ballast

    if name in ("convolution", "_convolution"):
        return convolution
    if name.startswith("_") or name in _NO_OPERATORS:
        return None
    function: Any = vars(ballast).get(name)
    known = callable(function) and not isinstance(function, type)
    method = getattr(Tensor, name, None)
    if not callable(method):
        if not known or name.startswith(("get_", "set_", "is_")):
            return None
        method = None
    if name == "elu" or name.endswith(_OTHER_ARGUMENTS):
        return None
    return function if known else method

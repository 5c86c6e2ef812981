"""Functions of layers that PyTorch has beside those in ``torch.nn.functional``."""

from __future__ import annotations

from .._core import Tensor

__all__ = [
    "adaptive_max_pool1d",
    "alpha_dropout",
    "batch_norm",
    "bilinear",
    "channel_shuffle",
    "constant_pad_nd",
    "conv1d",
    "conv3d",
    "embedding",
    "feature_alpha_dropout",
    "feature_dropout",
    "max_pool1d_with_indices",
    "max_pool3d",
    "pixel_shuffle",
    "pixel_unshuffle",
]


def _functional(name: str, **options):
    def call(*args, **kwargs):
        from ..nn import functional

        return getattr(functional, name)(*args, **options, **kwargs)

    call.__name__ = name
    call.__doc__ = f"Call ``nn.functional.{name}``."
    return call


adaptive_max_pool1d = _functional("adaptive_max_pool1d", return_indices=True)
alpha_dropout = _functional("alpha_dropout")
bilinear = _functional("bilinear")
channel_shuffle = _functional("channel_shuffle")
conv1d = _functional("conv1d")
conv3d = _functional("conv3d")
feature_alpha_dropout = _functional("feature_alpha_dropout")
feature_dropout = _functional("dropout2d")
max_pool1d_with_indices = _functional("max_pool1d_with_indices")
max_pool3d = _functional("max_pool3d")
pixel_shuffle = _functional("pixel_shuffle")
pixel_unshuffle = _functional("pixel_unshuffle")


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    """Normalize (N, C, ...), as ``nn.functional.batch_norm`` does."""
    from ..nn import functional

    return functional.batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


def embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, *_ignored) -> Tensor:
    """Take rows of `weight`."""
    from ..nn import functional

    return functional.embedding(indices, weight, None if padding_idx < 0 else padding_idx)


def constant_pad_nd(input: Tensor, pad, value: float = 0) -> Tensor:
    """Add a number around a tensor."""
    from ..nn import functional

    return functional.pad(input, pad, "constant", value)

"""Functions of layers that PyTorch has beside those in ``torch.nn.functional``."""

from __future__ import annotations

from .._core import Tensor

__all__ = [
    "adaptive_max_pool1d",
    "alpha_dropout",
    "avg_pool1d",
    "batch_norm",
    "bilinear",
    "channel_shuffle",
    "constant_pad_nd",
    "conv1d",
    "conv2d",
    "conv3d",
    "embedding",
    "feature_alpha_dropout",
    "feature_dropout",
    "max_pool1d_with_indices",
    "max_pool3d",
    "native_batch_norm",
    "native_group_norm",
    "native_layer_norm",
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
avg_pool1d = _functional("avg_pool1d")
bilinear = _functional("bilinear")
channel_shuffle = _functional("channel_shuffle")
conv1d = _functional("conv1d")
conv2d = _functional("conv2d")
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


def _statistics(x: Tensor, dims, eps: float) -> tuple[Tensor, Tensor]:
    """Means and reciprocal standard deviations, which keep their dimensions."""
    return x.mean(dims, True), (x.var(dims, unbiased=False, keepdim=True) + eps).rsqrt()


def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize (N, C, ...); with the means and reciprocal deviations of a batch in training."""
    out = batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    if not training:
        return out, input.new_empty(0), input.new_empty(0)
    found = _statistics(input.detach(), [d for d in range(input.dim()) if d != 1], eps)
    return out, *(t.reshape(-1) for t in found)


def native_layer_norm(
    input: Tensor, normalized_shape, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize the last dimensions; with the means and reciprocal deviations."""
    from ..nn import functional

    out = functional.layer_norm(input, normalized_shape, weight, bias, eps)
    return out, *_statistics(input.detach(), list(range(-len(normalized_shape), 0)), eps)


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,  # noqa: N803 (PyTorch's names)
    C: int,  # noqa: N803
    HxW: int,  # noqa: N803
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize groups of channels; with the means and reciprocal deviations, (N, group)."""
    from ..nn import functional

    out = functional.group_norm(input, group, weight, bias, eps)
    found = _statistics(input.reshape(N, group, C // group * HxW), [2], eps)
    return out, *(t.reshape(N, group) for t in found)


def embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, *_ignored) -> Tensor:
    """Take rows of `weight`."""
    from ..nn import functional

    return functional.embedding(indices, weight, None if padding_idx < 0 else padding_idx)


def constant_pad_nd(input: Tensor, pad, value: float = 0) -> Tensor:
    """Add a number around a tensor."""
    from ..nn import functional

    return functional.pad(input, pad, "constant", value)

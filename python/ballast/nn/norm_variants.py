"""Batch normalization by statistics other than the batch's."""

from __future__ import annotations

from .. import _core
from .._core import Tensor, _batch_norm, _batch_renorm, _ghost_batch_norm
from .module import Module
from .norm import _BatchNorm


class _GhostBatchNorm(_BatchNorm):
    def __init__(
        self,
        num_features: int,
        virtual_batch: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        if virtual_batch < 1:
            raise ValueError(f"virtual_batch must be positive, got {virtual_batch}")
        self.virtual_batch = virtual_batch

    def _normalize_by(self, input: Tensor, *rest) -> Tensor:
        return _ghost_batch_norm(input, self.virtual_batch, *rest)

    def extra_repr(self) -> str:
        """Write all arguments."""
        return f"{super().extra_repr()}, virtual_batch={self.virtual_batch}"


class GhostBatchNorm1d(_GhostBatchNorm):
    """Batch normalization of virtual batches of (N, C) or (N, C, L) (Hoffer et al., 2017).

    In training, parts of the batch are normalized by themselves: as few as have `virtual_batch`
    samples at most, of sizes that differ by one at most. The running statistics take in one after
    the other.

    Parameters
    ----------
    num_features : int
        C
    virtual_batch : int
        How many samples share their statistics.
    eps, momentum, affine, track_running_stats, device, dtype, bias : optional
        As of `BatchNorm1d`.
    """

    _ranks = (2, 3)
    _expected = "2D or 3D"


class GhostBatchNorm2d(_GhostBatchNorm):
    """Batch normalization of virtual batches of (N, C, H, W); parameters as `GhostBatchNorm1d`."""

    _ranks = (4,)
    _expected = "4D"


class _BatchRenorm(_BatchNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        r_max: float = 3.0,
        d_max: float = 5.0,
        start: int = 5000,
        r_end: int = 40000,
        d_end: int = 25000,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, True, device, dtype, bias=bias)
        if not (r_max >= 1 and d_max >= 0):
            raise ValueError(f"expected r_max >= 1 and d_max >= 0, got {r_max} and {d_max}")
        self.r_max, self.d_max = r_max, d_max
        self.start, self.r_end, self.d_end = start, r_end, d_end

    def _normalize_by(self, input: Tensor, mean: Tensor | None, *rest) -> Tensor:
        if mean is None:  # tracking was switched off: nothing to be led to
            return _batch_norm(input, mean, *rest)
        limits = (self.r_max, self.d_max, self.start, self.r_end, self.d_end)
        return _batch_renorm(input, mean, *rest, *limits)

    def extra_repr(self) -> str:
        """Write all arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, r_max={self.r_max}, d_max={self.d_max}, start={self.start}, "
            f"r_end={self.r_end}, d_end={self.d_end}"
        )


class BatchRenorm1d(_BatchRenorm):
    """Batch renormalization of (N, C) or (N, C, L) (Ioffe, 2017).

    In training, the output is ``((x - mean)/sqrt(var + eps)*r + d)*weight + bias`` with the batch's
    statistics; r and d, constants to differentiation, lead to what the running statistics would
    give, as far as ``1/r_max <= r <= r_max`` and ``-d_max <= d <= d_max`` allow. The limits start
    from batch normalization (1 and 0) after `start` batches and grow linearly until `r_end` and
    `d_end`. The running variance is kept where the paper keeps the deviation, so that files of
    `BatchNorm1d` fit.

    Parameters
    ----------
    num_features : int
        C
    eps, momentum, affine, device, dtype, bias : optional
        As of `BatchNorm1d`.
    r_max, d_max : float
        Limits in the end.
    start, r_end, d_end : int
        Batches after which they grow, and do not grow any more.
    """

    _ranks = (2, 3)
    _expected = "2D or 3D"


class BatchRenorm2d(_BatchRenorm):
    """Batch renormalization of (N, C, H, W); the parameters are those of `BatchRenorm1d`."""

    _ranks = (4,)
    _expected = "4D"


class FrozenBatchNorm2d(Module):
    """Batch normalization of (N, C, H, W) whose statistics and affine map are fixed.

    As ``torchvision.ops.FrozenBatchNorm2d``: four buffers, nothing is trained, training and
    evaluation are the same.

    Parameters
    ----------
    num_features : int
        C
    eps : float
        Added to the variance.
    """

    def __init__(self, num_features: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", _core.ones(num_features))
        self.register_buffer("bias", _core.zeros(num_features))
        self.register_buffer("running_mean", _core.zeros(num_features))
        self.register_buffer("running_var", _core.ones(num_features))

    def _load_from_state_dict(self, state_dict, prefix, *rest) -> None:
        state_dict.pop(prefix + "num_batches_tracked", None)  # files of BatchNorm2d fit
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C, H, W) by the fixed statistics."""
        if input.ndim != 4:
            raise ValueError(f"expected 4D input (got {input.ndim}D input)")
        mean, var = self.running_mean, self.running_var
        return _batch_norm(input, mean, var, None, self.weight, self.bias, False, 0.0, self.eps)

    def extra_repr(self) -> str:
        """Write all arguments."""
        return f"{self.weight.shape[0]}, eps={self.eps}"

"""Normalizations."""

from __future__ import annotations

import math
import numbers

from .. import _core
from .._core import Tensor, _batch_norm
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class _NormBase(Module):
    """What layers share that may remember statistics of the channels."""

    _version = 2
    _ranks: tuple[int, ...] = ()
    _expected = ""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        dtype = dtype or _core.float32
        if affine:
            self.weight = Parameter(_core.ones(num_features, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if affine and bias:
            self.bias = Parameter(_core.zeros(num_features, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", _core.zeros(num_features, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "running_var", _core.ones(num_features, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "num_batches_tracked", _core.zeros((), dtype=_core.int64) if tracked else None
        )

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set weights to one, biases to zero, and forget the running statistics."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self._ranks:
            raise ValueError(f"expected {self._expected} input (got {input.ndim}D input)")

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C, ...): by the batch while training, else by the running statistics."""
        if input.ndim not in self._ranks:
            self._check_input_dim(input)
        p, b = self._parameters, self._buffers
        training = self.training
        momentum = self.momentum
        if training and not self.track_running_stats:  # switched off after construction
            mean = var = batches = None
        else:
            mean, var, batches = b["running_mean"], b["running_var"], b["num_batches_tracked"]
        return self._normalize_by(
            input,
            mean,
            var,
            batches,
            p["weight"],
            p["bias"],
            training or mean is None,
            math.nan if momentum is None else momentum,
            self.eps,
        )

    _normalize_by = staticmethod(_batch_norm)  # what variants do differently

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest) -> None:
        # Files of PyTorch before 0.4.1 do not count batches.
        key = prefix + "num_batches_tracked"
        old = (local_metadata.get("version") or 1) < 2
        if old and self.num_batches_tracked is not None and key not in state_dict:
            state_dict[key] = self.num_batches_tracked.clone()
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def extra_repr(self) -> str:
        """Write all arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    """What normalizes by statistics of batches."""


class BatchNorm1d(_BatchNorm):
    """Batch normalization of (N, C) or (N, C, L) (Ioffe and Szegedy, 2015).

    Parameters
    ----------
    num_features : int
        C
    eps : float
        Added to the variance.
    momentum : float or None
        Weight of a batch in the running statistics; None: all batches count alike.
    affine : bool
        Whether to learn a weight and a bias per channel.
    track_running_stats : bool
        Whether to keep running statistics for evaluation.
    device, dtype : optional
        The CPU; the type of the parameters.
    bias : bool
        Whether an affine layer has a bias.
    """

    _ranks = (2, 3)
    _expected = "2D or 3D"


class BatchNorm2d(_BatchNorm):
    """Batch normalization of (N, C, H, W); the parameters are those of `BatchNorm1d`."""

    _ranks = (4,)
    _expected = "4D"


class BatchNorm3d(_BatchNorm):
    """Batch normalization of (N, C, D, H, W); the parameters are those of `BatchNorm1d`."""

    _ranks = (5,)
    _expected = "5D"


class SyncBatchNorm(_BatchNorm):
    """Batch normalization over the batches of all processes; one process has the whole batch.

    The parameters are those of `BatchNorm1d`, with `process_group` before the device.
    """

    _expected = "at least 2D"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group=None,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    _ranks = tuple(range(2, 17))

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group=None) -> Module:
        """Replace all batch normalizations within `module`, which keep their parameters.

        Returns
        -------
        Module
            The module, or what replaces it.
        """
        out = module
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            out = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
            )
            for registry in ("_parameters", "_buffers"):
                getattr(out, registry).update(getattr(module, registry))
            out.training = module.training
        for name, child in list(module._modules.items()):
            if child is not None:
                out.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return out


class _InstanceNorm(_NormBase):
    """Ranks are those with and without the batch."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def _normalize(self, input: Tensor) -> Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )

    def forward(self, input: Tensor) -> Tensor:
        """Normalize every channel of every sample of (N, C, ...) or (C, ...)."""
        self._check_input_dim(input)
        single = input.ndim == self._ranks[0]
        dim = 0 if single else 1
        if input.shape[dim] != self.num_features and self.affine:
            raise ValueError(
                f"expected input's size at dim={dim} to match num_features ({self.num_features}), "
                f"but got: {input.shape[dim]}."
            )
        if single:
            return self._normalize(input.unsqueeze(0)).squeeze(0)
        return self._normalize(input)


class InstanceNorm1d(_InstanceNorm):
    """Normalization of every channel of every sample of (N, C, L) or (C, L) (Ulyanov et al., 2016).

    The parameters are those of `BatchNorm1d`; `affine` and `track_running_stats` are off.
    """

    _ranks = (2, 3)
    _expected = "2D or 3D"


class InstanceNorm2d(_InstanceNorm):
    """Normalization of every channel of every sample of (N, C, H, W) or (C, H, W)."""

    _ranks = (3, 4)
    _expected = "3D or 4D"


class InstanceNorm3d(_InstanceNorm):
    """Normalization of every channel of every sample of (N, C, D, H, W) or (C, D, H, W)."""

    _ranks = (4, 5)
    _expected = "4D or 5D"


class _Affine(Module):
    """What the normalizations below share: a weight of ones and a bias of zeros, or neither."""

    def _make(self, shape: tuple[int, ...], weight: bool, bias: bool, dtype) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            value = _core.empty(shape, dtype=dtype or _core.float32) if wanted else None
            self.register_parameter(name, None if value is None else Parameter(value))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to one, the bias to zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if getattr(self, "bias", None) is not None:
            init.zeros_(self.bias)


class GroupNorm(_Affine):
    """Normalization of groups of channels of (N, C, ...) (Wu and He, 2018).

    Parameters
    ----------
    num_groups, num_channels : int
        How many groups the channels are split into.
    eps : float
        Added to the variance.
    affine, bias : bool
        Whether to learn a weight, and with it a bias, per channel.
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._make((num_channels,), affine, affine and bias, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C, ...)."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Write all arguments."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LayerNorm(_Affine):
    """Normalization of every sample over its last dimensions (Ba et al., 2016).

    Parameters
    ----------
    normalized_shape : int or tuple of int
        Sizes of the dimensions.
    eps : float
        Added to the variance.
    elementwise_affine, bias : bool
        Whether to learn a weight, and with it a bias, of these sizes.
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if isinstance(normalized_shape, numbers.Integral):
            normalized_shape = (int(normalized_shape),)
        self.normalized_shape = tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self._make(shape, elementwise_affine, elementwise_affine and bias, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (..., *normalized_shape)."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Write all arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(_Affine):
    """Division by the root of the mean square over the last dimensions (Zhang and Sennrich, 2019).

    Parameters
    ----------
    normalized_shape : int or tuple of int
        Sizes of the dimensions.
    eps : float, optional
        Added to the mean square; the type's machine epsilon.
    elementwise_affine : bool
        Whether to learn a weight of these sizes.
    device, dtype : optional
        The CPU; the type of the weight.
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if isinstance(normalized_shape, numbers.Integral):
            normalized_shape = (int(normalized_shape),)
        self.normalized_shape = tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = _core.ones(self.normalized_shape, dtype=dtype or _core.float32)
        self.register_parameter("weight", Parameter(weight) if elementwise_affine else None)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (..., *normalized_shape)."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Write all arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class LocalResponseNorm(Module):
    """Division by a power of the mean square of neighbouring channels (Krizhevsky et al., 2012).

    Parameters
    ----------
    size : int
        How many channels are neighbours.
    alpha, beta, k : float
        x / (k + alpha*mean of squares)^beta.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C, ...)."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Write all arguments."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"

"""Layers that take the number of their inputs from the first input they see."""

from __future__ import annotations

from .. import _core
from . import norm
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .layers import Linear
from .module import Module
from .parameter import UninitializedBuffer, UninitializedParameter, is_lazy


class LazyModuleMixin:
    """A module with uninitialized parameters, which becomes `cls_to_become` at its first call."""

    cls_to_become: type[Module] | None = None

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or a buffer still has no size."""
        tensors = (*self._parameters.values(), *self._buffers.values())
        return any(is_lazy(t) for t in tensors)

    def initialize_parameters(self, *args, **kwargs) -> None:
        """Give parameters sizes that fit an input; to be defined by a class."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def __call__(self, *args, **kwargs):
        """Take sizes from the input, and go on as an ordinary module."""
        self.initialize_parameters(*args, **kwargs)
        if self.has_uninitialized_params():
            raise RuntimeError(f"module {type(self).__name__} has not been fully initialized")
        if self.cls_to_become is not None:
            self.__class__ = self.cls_to_become
            return self(*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def _load_from_state_dict(self, state_dict, prefix, *rest) -> None:
        for registry in (self._parameters, self._buffers):
            for name, tensor in registry.items():
                if is_lazy(tensor) and prefix + name in state_dict:
                    tensor.materialize(tuple(state_dict[prefix + name].shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class LazyLinear(LazyModuleMixin, Linear):
    """`Linear` whose `in_features` is the first input's last size."""

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device=None, dtype=None):
        Module.__init__(self)
        self.in_features = 0
        self.out_features = out_features
        self.weight = UninitializedParameter(dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(dtype=dtype)
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Draw new initial values, once there are sizes."""
        if not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input) -> None:
        """Take `in_features` from the input."""
        fresh = self.has_uninitialized_params()
        self.in_features = input.shape[-1] if fresh else self.weight.shape[1]
        if fresh:
            self.weight.materialize((self.out_features, self.in_features))
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()


class _LazyConv(LazyModuleMixin):
    """Parameters without sizes until a call."""

    def __init__(self, out_channels, kernel_size, *args, **kwargs):
        bias = self._wants_bias(args, kwargs)
        dtype = kwargs.get("dtype")
        groups = self._groups(args, kwargs)
        # The other layer's options are checked with as many channels as fit any groups.
        super().__init__(groups, out_channels, kernel_size, *args, **kwargs)
        self.in_channels = 0
        self.weight = UninitializedParameter(dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(dtype=dtype)

    @classmethod
    def _argument(cls, name: str, default, args: tuple, kwargs: dict):
        import inspect

        names = list(inspect.signature(cls.cls_to_become.__init__).parameters)[4:]
        given = dict(zip(names, args, strict=False))
        return {**given, **kwargs}.get(name, default)

    @classmethod
    def _wants_bias(cls, args: tuple, kwargs: dict) -> bool:
        return cls._argument("bias", True, args, kwargs)

    @classmethod
    def _groups(cls, args: tuple, kwargs: dict) -> int:
        return cls._argument("groups", 1, args, kwargs)

    def reset_parameters(self) -> None:
        """Draw new initial values, once there are sizes."""
        if self.in_channels != 0 and not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input, *args, **kwargs) -> None:
        """Take `in_channels` from the input."""
        fresh = self.has_uninitialized_params()
        ranks = (self._rank + 1, self._rank + 2)
        if input.dim() not in ranks:
            raise RuntimeError(
                f"Expected {ranks[0]}D (unbatched) or {ranks[1]}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {list(input.shape)}"
            )
        self.in_channels = input.shape[-self._rank - 1]
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        if fresh:
            self.weight.materialize(self._weight_shape())
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()


class LazyConv1d(_LazyConv, Conv1d):
    """`Conv1d` whose `in_channels` is the first input's."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """`Conv2d` whose `in_channels` is the first input's."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """`Conv3d` whose `in_channels` is the first input's."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConv, ConvTranspose1d):
    """`ConvTranspose1d` whose `in_channels` is the first input's."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConv, ConvTranspose2d):
    """`ConvTranspose2d` whose `in_channels` is the first input's."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConv, ConvTranspose3d):
    """`ConvTranspose3d` whose `in_channels` is the first input's."""

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModuleMixin):
    """Parameters and running statistics without sizes until a call."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ):
        super().__init__(0, eps, momentum, False, False, dtype=dtype)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(dtype=dtype)
        if affine and bias:
            self.bias = UninitializedParameter(dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(dtype=dtype)
            self.running_var = UninitializedBuffer(dtype=dtype)
            self.num_batches_tracked = _core.zeros((), dtype=_core.int64)

    def reset_parameters(self) -> None:
        """Set initial values, once there are sizes."""
        if self.num_features != 0 and not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input) -> None:
        """Take `num_features` from the input."""
        fresh = self.has_uninitialized_params()
        self.num_features = input.shape[1 if input.dim() in self._batched() else 0]
        if fresh:
            for registry in (self._parameters, self._buffers):
                for tensor in registry.values():
                    if is_lazy(tensor):
                        tensor.materialize((self.num_features,))
            self.reset_parameters()

    def _batched(self) -> tuple[int, ...]:
        return self._ranks


class LazyBatchNorm1d(_LazyNorm, norm.BatchNorm1d):
    """`BatchNorm1d` whose `num_features` is the first input's."""

    cls_to_become = norm.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, norm.BatchNorm2d):
    """`BatchNorm2d` whose `num_features` is the first input's."""

    cls_to_become = norm.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, norm.BatchNorm3d):
    """`BatchNorm3d` whose `num_features` is the first input's."""

    cls_to_become = norm.BatchNorm3d


class _LazyInstanceNorm(_LazyNorm):
    def _batched(self) -> tuple[int, ...]:
        return self._ranks[1:]


class LazyInstanceNorm1d(_LazyInstanceNorm, norm.InstanceNorm1d):
    """`InstanceNorm1d` whose `num_features` is the first input's."""

    cls_to_become = norm.InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, norm.InstanceNorm2d):
    """`InstanceNorm2d` whose `num_features` is the first input's."""

    cls_to_become = norm.InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, norm.InstanceNorm3d):
    """`InstanceNorm3d` whose `num_features` is the first input's."""

    cls_to_become = norm.InstanceNorm3d

"""Layers without weights: activations, pooling, reshaping, losses."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from .module import Module


class _Simple(Module):
    """A function of the input and of options that `_options` names, in the constructor's order."""

    _options: dict = {}
    _shown: tuple[str, ...] | None = None  # None: those that differ from the default

    def __init__(self, *args, **kwargs):
        super().__init__()
        names = list(self._options)
        if len(args) > len(names):
            raise TypeError(f"{type(self).__name__} takes at most {len(names)} arguments")
        given = dict(zip(names, args, strict=False))
        for name in kwargs:
            if name not in self._options or name in given:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{name}'"
                )
        given.update(kwargs)
        for name, default in self._options.items():
            value = given.get(name, default)
            if value is _REQUIRED:
                raise TypeError(
                    f"{type(self).__name__}.__init__() missing 1 required positional argument: "
                    f"'{name}'"
                )
            setattr(self, name, value)

    def extra_repr(self) -> str:
        """Write the options."""
        if self._shown is not None:
            return ", ".join(f"{n}={getattr(self, n)}" for n in self._shown)
        pairs = ((n, getattr(self, n)) for n in self._options)
        return ", ".join(f"{n}={v}" for n, v in pairs if v != self._options[n])


_REQUIRED = object()


class ReLU(_Simple):
    """max(x, 0)."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.relu(input)


class ReLU6(_Simple):
    """min(max(x, 0), 6)."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.relu6(input)


class LeakyReLU(_Simple):
    """x where x > 0, else negative_slope*x."""

    _options = {"negative_slope": 0.01, "inplace": False}
    _shown = ("negative_slope",)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.leaky_relu(input, self.negative_slope)


class ELU(_Simple):
    """x where x > 0, else alpha*(exp(x) - 1)."""

    _options = {"alpha": 1.0, "inplace": False}
    _shown = ("alpha",)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.elu(input, self.alpha)


class GELU(_Simple):
    """x times the normal distribution function of x."""

    _options = {"approximate": "none"}

    def extra_repr(self) -> str:
        """Write the approximation."""
        return f"approximate={self.approximate!r}"

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.gelu(input, approximate=self.approximate)


class SiLU(_Simple):
    """x*sigmoid(x)."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.silu(input)


class Hardswish(_Simple):
    """x*min(max(x + 3, 0), 6)/6."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.hardswish(input)


class Hardsigmoid(_Simple):
    """min(max(x + 3, 0), 6)/6."""

    _options = {"inplace": False}

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.hardsigmoid(input)


class Hardtanh(_Simple):
    """min(max(x, min_val), max_val)."""

    _options = {"min_val": -1.0, "max_val": 1.0, "inplace": False}
    _shown = ("min_val", "max_val")

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.hardtanh(input, self.min_val, self.max_val)


class Softplus(_Simple):
    """log(1 + exp(beta*x))/beta."""

    _options = {"beta": 1.0, "threshold": 20.0}
    _shown = ("beta", "threshold")

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.softplus(input, self.beta, self.threshold)


class Sigmoid(_Simple):
    """1/(1 + exp(-x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return input.sigmoid()


class Tanh(_Simple):
    """Hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return input.tanh()


class Softmax(_Simple):
    """exp(x)/sum(exp(x)) along `dim`."""

    _options = {"dim": None}
    _shown = ("dim",)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.softmax(input, self.dim)


class LogSoftmax(Softmax):
    """log(softmax(x)) along `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        return F.log_softmax(input, self.dim)


class Dropout(_Simple):
    """Sets elements to zero with probability `p` while training, and scales the others."""

    _options = {"p": 0.5, "inplace": False}
    _shown = ("p", "inplace")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not 0 <= self.p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {self.p}")

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements, while training."""
        return F.dropout(input, self.p, self.training)


class Flatten(_Simple):
    """Joins dimensions `start_dim` to `end_dim`."""

    _options = {"start_dim": 1, "end_dim": -1}
    _shown = ("start_dim", "end_dim")

    def forward(self, input: Tensor) -> Tensor:
        """Join the dimensions."""
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(_Simple):
    """Splits dimension `dim` into `unflattened_size`."""

    _options = {"dim": _REQUIRED, "unflattened_size": _REQUIRED}
    _shown = ("dim", "unflattened_size")

    def forward(self, input: Tensor) -> Tensor:
        """Split the dimension."""
        shape = tuple(input.shape)
        dim = self.dim % len(shape)
        return input.reshape(shape[:dim] + tuple(self.unflattened_size) + shape[dim + 1 :])


class MaxPool2d(_Simple):
    """The largest element of sliding windows."""

    _options = {
        "kernel_size": _REQUIRED,
        "stride": None,
        "padding": 0,
        "dilation": 1,
        "return_indices": False,
        "ceil_mode": False,
    }
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.stride is None:
            self.stride = self.kernel_size

    def forward(self, input: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool1d(MaxPool2d):
    """The largest element of windows that slide along the last dimension."""

    def forward(self, input: Tensor) -> Tensor:
        """Pool (N, C, L)."""
        return F.max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )


class AvgPool2d(_Simple):
    """The mean of sliding windows."""

    _options = {
        "kernel_size": _REQUIRED,
        "stride": None,
        "padding": 0,
        "ceil_mode": False,
        "count_include_pad": True,
    }
    _shown = ("kernel_size", "stride", "padding")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.stride is None:
            self.stride = self.kernel_size

    def forward(self, input: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class AvgPool1d(AvgPool2d):
    """The mean of windows that slide along the last dimension."""

    def forward(self, input: Tensor) -> Tensor:
        """Pool (N, C, L)."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class AdaptiveAvgPool2d(_Simple):
    """Means over as many windows as `output_size` says."""

    _options = {"output_size": _REQUIRED}
    _shown = ("output_size",)

    def forward(self, input: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """Means over as many windows of the last dimension as `output_size` says."""

    def forward(self, input: Tensor) -> Tensor:
        """Pool (N, C, L)."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class _Loss(_Simple):
    _options = {"size_average": None, "reduce": None, "reduction": "mean"}
    _shown = ()


class MSELoss(_Loss):
    """(input - target)^2."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """d^2/(2 beta) where d = |input - target| < beta, else d - beta/2."""

    _options = {"size_average": None, "reduce": None, "reduction": "mean", "beta": 1.0}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """d^2/2 where d = |input - target| < delta, else delta*(d - delta/2)."""

    _options = {"reduction": "mean", "delta": 1.0}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence; `input` holds log-probabilities."""

    _options = {"size_average": None, "reduce": None, "reduction": "mean", "log_target": False}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class _WeightedLoss(_Loss):
    """A loss with tensors among its options: they are buffers."""

    _tensors = ("weight",)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in self._tensors:
            value = self.__dict__.pop(name)
            self.register_buffer(name, value)


class CrossEntropyLoss(_WeightedLoss):
    """Cross-entropy of logits (N, C, ...) against class indices (N, ...) or probabilities.

    Parameters
    ----------
    weight : Tensor, optional
        (C), a factor per class.
    ignore_index : int
        Targets with this value do not count.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    label_smoothing : float
        Weight spread over all classes.
    """

    _options = {
        "weight": None,
        "size_average": None,
        "ignore_index": -100,
        "reduce": None,
        "reduction": "mean",
        "label_smoothing": 0.0,
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._plain = not args and not kwargs

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare logits with targets."""
        if self._plain:
            return F.cross_entropy(input, target)
        return F.cross_entropy(
            input,
            target,
            self.weight,
            None,
            self.ignore_index,
            None,
            self.reduction,
            self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """The same from log-probabilities."""

    _options = {
        "weight": None,
        "size_average": None,
        "ignore_index": -100,
        "reduce": None,
        "reduction": "mean",
    }

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare log-probabilities with targets."""
        return F.nll_loss(input, target, self.weight, None, self.ignore_index, None, self.reduction)


class BCELoss(_WeightedLoss):
    """Binary cross-entropy of probabilities."""

    _options = {"weight": None, "size_average": None, "reduce": None, "reduction": "mean"}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare probabilities with targets."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """Binary cross-entropy of logits."""

    _tensors = ("weight", "pos_weight")
    _options = {
        "weight": None,
        "size_average": None,
        "reduce": None,
        "reduction": "mean",
        "pos_weight": None,
    }

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare logits with targets."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )

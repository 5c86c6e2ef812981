"""Losses."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from .simple import _Simple


class _Loss(_Simple):
    """A comparison; the `size_average` and `reduce` of old choose a reduction too."""

    _options = {"size_average": None, "reduce": None, "reduction": "mean"}
    _shown = ()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        average = self.__dict__.pop("size_average", None)
        reduce = self.__dict__.pop("reduce", None)
        if average is not None or reduce is not None:
            average, reduce = (True if flag is None else bool(flag) for flag in (average, reduce))
            self.reduction = ("mean" if average else "sum") if reduce else "none"


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


class CTCLoss(_Loss):
    """Connectionist temporal classification: costs of sequences of labels without alignment."""

    _options = {"blank": 0, "reduction": "mean", "zero_infinity": False}

    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths, target_lengths) -> Tensor:
        """Compare log-probabilities (T, N, C) with targets (N, S) of the given lengths."""
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )


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


class CosineEmbeddingLoss(_Loss):
    """1 - cos(x1, x2) where target is 1, max(cos(x1, x2) - margin, 0) where -1."""

    _options = {"margin": 0.0, "size_average": None, "reduce": None, "reduction": "mean"}

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.cosine_embedding_loss(
            input1, input2, target, self.margin, reduction=self.reduction
        )


class MarginRankingLoss(_Loss):
    """max(-target*(x1 - x2) + margin, 0)."""

    _options = {"margin": 0.0, "size_average": None, "reduce": None, "reduction": "mean"}

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """x where target is 1, max(margin - x, 0) where -1."""

    _options = {"margin": 1.0, "size_average": None, "reduce": None, "reduction": "mean"}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """log(1 + exp(-target*x))."""

    _options = {"size_average": None, "reduce": None, "reduction": "mean"}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """Margins between labels, listed up to the first -1, and the other classes."""

    _options = {"size_average": None, "reduce": None, "reduction": "mean"}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Binary cross-entropy of logits, averaged over classes."""

    _options = {"weight": None, "size_average": None, "reduce": None, "reduction": "mean"}

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """Margins between the target's class and the others."""

    _options = {
        "p": 1,
        "margin": 1.0,
        "weight": None,
        "size_average": None,
        "reduce": None,
        "reduction": "mean",
    }

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )


class TripletMarginLoss(_Loss):
    """max(d(anchor, positive) - d(anchor, negative) + margin, 0)."""

    _options = {
        "margin": 1.0,
        "p": 2.0,
        "eps": 1e-06,
        "swap": False,
        "size_average": None,
        "reduce": None,
        "reduction": "mean",
    }

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Compare."""
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            self.margin,
            self.p,
            self.eps,
            self.swap,
            reduction=self.reduction,
        )


class PoissonNLLLoss(_Loss):
    """Negative logarithm of a Poisson probability."""

    _options = {
        "log_input": True,
        "full": False,
        "size_average": None,
        "eps": 1e-08,
        "reduce": None,
        "reduction": "mean",
    }

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare."""
        return F.poisson_nll_loss(
            input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """Negative logarithm of a normal density."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        """Compare means and variances with values."""
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class TripletMarginWithDistanceLoss(_Loss):
    """`TripletMarginLoss` for any distance."""

    def __init__(
        self,
        *,
        distance_function=None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ):
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"{reduction} is not a valid value for reduction")
        if margin <= 0:
            raise ValueError(
                "TripletMarginWithDistanceLoss: expected margin to be greater than 0, got "
                f"{margin} instead"
            )
        super().__init__(reduction=reduction)
        self.distance_function = distance_function or F.pairwise_distance
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Compare distances."""
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class CosineSimilarity(_Simple):
    """Cosine of the angle between two tensors along `dim`."""

    _options = {"dim": 1, "eps": 1e-8}

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Compare."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(_Simple):
    """p-norm of the difference along the last dimension."""

    _options = {"p": 2.0, "eps": 1e-6, "keepdim": False}

    def extra_repr(self) -> str:
        """Write no options: PyTorch's text has none."""
        return ""

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Compare."""
        return F.pairwise_distance(x1, x2, self.p, self.eps, self.keepdim)

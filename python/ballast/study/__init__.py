"""Batch-normalization tools: other kinds of layers, exact statistics, folding."""

from .convert import convert_norm, place_norm
from .fold import fold
from .precise import adapt_bn, precise_bn

__all__ = ["adapt_bn", "convert_norm", "fold", "place_norm", "precise_bn"]

"""Batch-normalization tools and the study of what is said of it."""

from .convert import convert_norm, place_norm
from .diagnose import Diagnosis, Finding, diagnose
from .exact import train_step
from .fold import fold
from .measure import claims, run
from .precise import adapt_bn, precise_bn

__all__ = [
    "Diagnosis",
    "Finding",
    "adapt_bn",
    "claims",
    "convert_norm",
    "diagnose",
    "fold",
    "place_norm",
    "precise_bn",
    "run",
    "train_step",
]

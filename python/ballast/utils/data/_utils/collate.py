"""Batches made of samples, under the name that PyTorch has for it."""

from ..collate import *  # noqa: F403
from ..collate import default_collate, default_convert  # noqa: F401

"""Batch-normalized neural networks, trained, diagnosed and deployed on CPUs."""

from ballast._core import __version__

__all__ = ["__version__"]

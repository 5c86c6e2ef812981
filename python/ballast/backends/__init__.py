"""Switches of PyTorch's backends, which change no result, and Ballast's own: ``winograd``."""

from . import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp, winograd

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "winograd"]

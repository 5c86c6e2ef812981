"""Data sets that come with the library, and data sets in files."""

from __future__ import annotations

from . import _core
from ._core import Tensor


def digits(split: str = "all") -> tuple[Tensor, Tensor]:
    """The 1,797 handwritten digits of UCI's optical-recognition set.

    Parameters
    ----------
    split : str
        ``"train"`` (1,437 digits), ``"test"`` (the other 360) or ``"all"``.

    Returns
    -------
    images : Tensor
        (N, 1, 8, 8), from 0 to 1.
    labels : Tensor
        (N), int64.
    """
    return _core._digits(split)


def load(path: str) -> tuple[Tensor, Tensor]:
    """Read samples and labels from a .csv, .npy or .npz file.

    Parameters
    ----------
    path : str
        The file; the label is a line's last number, or an array of its own.

    Returns
    -------
    inputs : Tensor
        (N, ...), float32.
    labels : Tensor
        (N), int64.
    """
    return _core._load_arrays(str(path))

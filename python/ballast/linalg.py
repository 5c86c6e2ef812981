"""Linear algebra, as ``torch.linalg``: factorizations, equations, norms; with derivatives."""

from __future__ import annotations

from ._core import _linalg

__all__ = sorted(name for name in vars(_linalg) if not name.startswith("_"))  # noqa: PLE0605

globals().update({name: getattr(_linalg, name) for name in __all__})

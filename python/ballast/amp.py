"""Mixed precision, as ``torch.amp``: losses are scaled; no operation computes in half precision."""

from ._settings import GradScaler, autocast

__all__ = ["GradScaler", "autocast"]

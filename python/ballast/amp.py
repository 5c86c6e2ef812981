"""Mixed precision, as ``torch.amp``: there is none on the CPU here."""

from ._settings import GradScaler, autocast

__all__ = ["GradScaler", "autocast"]

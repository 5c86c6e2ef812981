"""Handles that remove hooks, as ``torch.utils.hooks``."""

from __future__ import annotations

from typing import Any

from ..nn._hooks import RemovableHandle

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


def unserializable_hook(f: Any) -> Any:
    """Mark a hook that is not saved with a module."""
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """Do nothing: hooks of tensors are never saved."""

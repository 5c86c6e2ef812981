"""Types that annotations name, as ``torch.types``."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from typing import Any, Union

from . import _core
from ._core import Tensor
from ._types import Size
from ._types import device as _device

__all__ = ["Device", "FileLike", "Number", "Storage"]

_TensorOrTensors = Union[Tensor, Sequence[Tensor]]  # noqa: UP007 (evaluated by old annotations)
_int, _float, _bool = builtins.int, builtins.float, builtins.bool
_bytes, _str, _complex = builtins.bytes, builtins.str, builtins.complex
_size = Union[Size, list, tuple]  # noqa: UP007
_dtype = _core.dtype
_layout = _qscheme = Any
Device = Union[_device, str, int, None]  # noqa: UP007
Number = Union[int, float, bool]  # noqa: UP007
FileLike = Union[str, os.PathLike, Any]  # noqa: UP007
Storage = Any

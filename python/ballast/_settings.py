"""What programs set before they start. Most of it has one value here."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from . import _core
from ._grad_scaler import GradScaler
from ._types import check_device as _check_device
from ._types import device as _device

__all__ = [
    "GradScaler",
    "are_deterministic_algorithms_enabled",
    "autocast",
    "compile",
    "get_autocast_cpu_dtype",
    "get_autocast_dtype",
    "get_autocast_gpu_dtype",
    "get_default_device",
    "get_default_dtype",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled",
    "is_autocast_enabled",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_inference_mode_enabled",
    "is_warn_always_enabled",
    "set_default_device",
    "set_default_dtype",
    "set_default_tensor_type",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_num_interop_threads",
    "set_warn_always",
    "use_deterministic_algorithms",
]


def get_default_dtype():
    """The type of new floating-point tensors."""
    return _core.float32


def set_default_dtype(d) -> None:
    """Accept float32, the type of new floating-point tensors."""
    if not isinstance(d, _core.dtype) or not d.is_floating_point:
        raise TypeError(
            "invalid dtype object: only floating-point types are supported as the default type, "
            f"got {d}"
        )
    if d is not _core.float32:
        raise NotImplementedError(
            f"set_default_dtype({d}): new tensors are torch.float32; pass dtype=torch.float64, or "
            "call .double()"
        )


def set_default_tensor_type(t) -> None:
    """Accept ``torch.FloatTensor``."""
    set_default_dtype(getattr(t, "dtype", _core.float32 if "Float" in str(t) else t))


def get_default_device() -> _device:
    """The CPU."""
    return _device("cpu")


def set_default_device(device) -> None:
    """Accept the CPU."""
    _check_device("cpu" if device is None else device)


def get_num_interop_threads() -> int:
    """One: operations run one after the other, each on several threads."""
    return 1


def set_num_interop_threads(threads: int) -> None:
    """Accept any positive number, without effect."""
    if threads <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accept either: results are the same bits every time."""


def are_deterministic_algorithms_enabled() -> bool:
    """True: results are the same bits every time."""
    return True


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """False."""
    return False


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Accept any mode: results are the same bits every time."""


def get_deterministic_debug_mode() -> int:
    """2: nothing that is not deterministic runs."""
    return 2


def get_float32_matmul_precision() -> str:
    """``"highest"``: products are computed in float32."""
    return "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """Accept PyTorch's precisions; products are computed in float32, the highest."""
    if precision not in ("highest", "high", "medium"):
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current "
            "setFloat32MatmulPrecision call has no effect.",
            stacklevel=2,
        )


def set_warn_always(b: bool) -> None:
    """Accept either, without effect."""


def is_warn_always_enabled() -> bool:
    """False."""
    return False


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether operations choose their types by themselves: no."""
    return False


def is_autocast_cpu_enabled() -> bool:
    """Whether operations on CPUs choose their types by themselves: no."""
    return False


def is_autocast_cache_enabled() -> bool:
    """Whether weights in other types are kept: no."""
    return False


def get_autocast_dtype(device_type: str):
    """Tell which type operations would choose: bfloat16, as in PyTorch."""
    return _core.bfloat16


def get_autocast_gpu_dtype():
    """Tell which type operations on a GPU would choose: float16, as in PyTorch."""
    return _core.float16


def get_autocast_cpu_dtype():
    """Tell which type operations on CPUs would choose: bfloat16, as in PyTorch."""
    return _core.bfloat16


def is_inference_mode_enabled() -> bool:
    """Whether gradients are off."""
    return not _core.is_grad_enabled()


def compile(model: Callable | None = None, **options: Any) -> Callable:
    """Return what is given: Ballast plans and fuses every function as it is, and caches the plans.

    Parameters
    ----------
    model : callable, optional
        A module or function; without it, a decorator is returned.
    **options
        PyTorch's, accepted without effect.
    """
    if model is None:
        return lambda function: compile(function, **options)
    if not callable(model):
        raise RuntimeError(f"torch.compile: expected a callable, got {type(model).__name__}")
    return model


class autocast:
    """Half precision where `device_type` supports it: of no effect, or refused.

    Parameters
    ----------
    device_type : str
        ``"cuda"`` warns and has no effect, as in PyTorch without a GPU; ``"cpu"`` raises
        NotImplementedError where it is enabled: Ballast computes in float32 and float64.
    dtype : dtype, optional
        Of the products.
    enabled : bool
        Whether to do anything.
    """

    def __init__(self, device_type: str, dtype=None, enabled: bool = True, cache_enabled=None):
        self.device = device_type
        if enabled and device_type == "cuda":
            warnings.warn(
                "User provided device_type of 'cuda', but CUDA is not available. Disabling",
                stacklevel=2,
            )
        elif enabled:
            raise NotImplementedError(
                f"torch.autocast('{device_type}'): Ballast computes in float32 and float64; pass "
                "enabled=False"
            )

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *error) -> None:
        pass

    def __call__(self, function: Callable) -> Callable:
        return function

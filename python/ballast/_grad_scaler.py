"""Scaling of losses so that small gradients of half precision do not vanish, as PyTorch's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

from . import _core
from ._core import Tensor
from .autograd import no_grad

_UNUSED = (
    "This may indicate your script did not use scaler.scale(loss or outputs) earlier in the "
    "iteration."
)


class _Progress:
    """How far an optimizer is in this iteration."""

    def __init__(self):
        self.unscaled = False
        self.stepped = False
        self.not_finite: Tensor | None = None


class GradScaler:
    """Multiplies losses by a factor, and divides gradients by it before an optimizer's step.

    A step with gradients that are not finite is skipped, and the factor shrinks; after
    `growth_interval` steps in a row that were made it grows. The factor is a float32 number.

    Parameters
    ----------
    device : str
        ``"cuda"`` warns and has no effect, as in PyTorch without a GPU.
    init_scale : float
        The first factor.
    growth_factor, backoff_factor : float
        What the factor is multiplied by when it grows (above 1) and shrinks (below 1).
    growth_interval : int
        Steps in a row after which it grows.
    enabled : bool
        False: losses and steps pass through.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        if enabled and device == "cuda":
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
            enabled = False
        self._device = device
        self._enabled = enabled
        if not enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = init_scale
        self._scale: Tensor | None = None
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        self._progress: dict[int, _Progress] = {}

    def scale(self, outputs):
        """Multiply a tensor, or those of a list, a tuple or an iterable, by the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._scale = _core.full((), self._init_scale, dtype=_core.float32)
            return outputs * self._scale
        if not isinstance(outputs, Iterable):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        scaled = map(self.scale, outputs)
        return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled

    def unscale_(self, optimizer) -> None:
        """Divide the gradients of an optimizer's parameters by the factor, before its step."""
        if not self._enabled:
            return
        scale = self._used("unscale_")
        progress = self._progress.setdefault(id(optimizer), _Progress())
        if progress.stepped:
            raise RuntimeError("unscale_() is being called after step().")
        if progress.unscaled:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        with no_grad():
            by = scale.double().reciprocal().float()
            not_finite = []
            for p in (p for group in optimizer.param_groups for p in group["params"]):
                if p.grad is None:
                    continue
                if p.grad.dtype is _core.float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                not_finite.append(p.grad.isfinite().logical_not().any())
                p.grad.mul_(by)
            if not_finite:
                progress.not_finite = _core.stack(not_finite).any()
        progress.unscaled = True

    def step(self, optimizer, *args, **kwargs):
        """Let the optimizer step, on gradients without the factor, unless some are not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._used("step")
        progress = self._progress.setdefault(id(optimizer), _Progress())
        if progress.stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if not progress.unscaled:
            self.unscale_(optimizer)
        if progress.not_finite is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if progress.not_finite.item() else optimizer.step(*args, **kwargs)
        progress.stepped = True
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """End an iteration: shrink or grow the factor, or set it to `new_scale`."""
        if not self._enabled:
            return
        scale = self._used("update")
        if new_scale is None:
            found = [p.not_finite for p in self._progress.values() if p.not_finite is not None]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._adapt(scale, any(f.item() for f in found))
        elif isinstance(new_scale, float):
            scale.fill_(new_scale)
        else:
            if new_scale.numel() != 1 or new_scale.requires_grad:
                raise AssertionError(
                    "new_scale should be a float or a 1-element torch.cuda.FloatTensor or "
                    "torch.FloatTensor with requires_grad=False."
                )
            scale.copy_(new_scale.reshape(()))
        self._progress = {}

    def _adapt(self, scale: Tensor, overflowed: bool) -> None:
        if overflowed:
            scale.mul_(self._backoff_factor)
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker < self._growth_interval:
            return
        grown = scale * self._growth_factor
        if math.isfinite(grown.item()):
            scale.copy_(grown)
        self._growth_tracker = 0

    def _used(self, by: str) -> Tensor:
        if self._scale is None:
            raise AssertionError(f"Attempted {by} but _scale is None.  {_UNUSED}")
        return self._scale

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The factor; 1 where this is not enabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the factor is multiplied by when it grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the factor is multiplied by when it grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the factor is multiplied by when it shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the factor is multiplied by when it shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Steps in a row after which the factor grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many steps in a row the factor grows."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        return self._growth_tracker if self._enabled else 0

    def state_dict(self) -> dict[str, Any]:
        """List the factor, how it changes, and the steps in a row; empty where not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what `state_dict` listed."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(self._init_scale)
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]

    def __getstate__(self) -> dict[str, Any]:
        if not self._enabled:
            return self.__dict__
        if self._progress:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at "
                "the end after scaler.update()."
            )
        return {**self.__dict__, "_init_scale": self.get_scale(), "_scale": None}

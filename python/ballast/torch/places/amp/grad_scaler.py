"""fastai takes the scaler of gradients from here."""

import enum

from ...._grad_scaler import GradScaler  # noqa: F401


class OptState(enum.Enum):
    """How far the step of an optimizer is."""

    READY, UNSCALED, STEPPED = 0, 1, 2

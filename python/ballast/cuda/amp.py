"""Mixed precision on GPUs: there is none."""

from __future__ import annotations

from .. import _settings


class autocast(_settings.autocast):
    """Of no effect."""

    def __init__(self, enabled: bool = True, dtype=None, cache_enabled: bool = True):
        super().__init__("cuda", dtype, enabled)


class GradScaler(_settings.GradScaler):
    """Of no effect."""

    def __init__(self, *args, **kwargs):
        super().__init__("cuda", *args, **kwargs)

"""Where PyTorch's loader has its helpers, for programs that name it."""

import types

from .. import collate

#: What a loader asks of worker processes: how often it looks whether they live, in seconds.
MP_STATUS_CHECK_INTERVAL = 5.0
python_exit_status = False


def _pinned(data, device=None):
    return data


pin_memory = types.SimpleNamespace(pin_memory=_pinned)
__all__ = ["MP_STATUS_CHECK_INTERVAL", "collate", "pin_memory"]

"""Types that scripted code names, as ``torch.jit.annotations``."""

from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: F401, UP035


class _Broadcasting:
    """``BroadcastingList2[int]``: one number, or a list of as many as the name says."""

    def __getitem__(self, item: Any) -> Any:
        return Any


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _Broadcasting()

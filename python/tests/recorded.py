"""What the tests that replay PyTorch's own samples share."""

from __future__ import annotations

import warnings
from collections.abc import Callable


def failures(samples: list[dict], run: Callable[[dict], None]) -> dict[int, str]:
    """Run all samples; the errors of those that fail, by their place."""
    out = {}
    for i, sample in enumerate(samples):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run(sample)
        except Exception as e:  # noqa: BLE001 (whatever goes wrong is the sample's failure)
            out[i] = f"{type(e).__name__}: {e}"
    return out

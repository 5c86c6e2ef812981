"""Results that come later, as ``torch.futures``."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

__all__ = ["Future", "collect_all", "wait_all"]


class Future:
    """A result that somebody will set, perhaps in another thread."""

    def __class_getitem__(cls, kind: Any) -> type[Future]:
        """Name the type of its result, in annotations."""
        return cls

    def __init__(self, *, devices: Any = None):
        self._future: concurrent.futures.Future = concurrent.futures.Future()

    def done(self) -> bool:
        """Whether there is a result, or an error."""
        return self._future.done()

    def wait(self) -> Any:
        """Wait for the result; raises the error, if that is what was set."""
        return self._future.result()

    def value(self) -> Any:
        """The result, which must be there."""
        if not self.done():
            raise RuntimeError("value() was called on a Future that has no result yet")
        return self._future.result()

    def set_result(self, result: Any) -> None:
        """Set the result."""
        self._future.set_result(result)

    def set_exception(self, result: BaseException) -> None:
        """Set an error."""
        self._future.set_exception(result)

    def add_done_callback(self, callback: Callable[[Future], Any]) -> None:
        """Call ``callback(self)`` once there is a result."""
        self._future.add_done_callback(lambda _: callback(self))

    def then(self, callback: Callable[[Future], Any]) -> Future:
        """Give what ``callback(self)`` will return."""
        after = Future()

        def run(_: Any) -> None:
            try:
                after.set_result(callback(self))
            except Exception as error:  # noqa: BLE001 (whatever the callback raises is the result)
                after.set_exception(error)

        self._future.add_done_callback(run)
        return after


def wait_all(futures: list[Future]) -> list[Any]:
    """Wait for all results."""
    return [f.wait() for f in futures]


def collect_all(futures: list[Future]) -> Future:
    """Give the futures, once all have results."""
    out, left = Future(), len(futures)

    def count(_: Future) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            out.set_result(futures)

    if not futures:
        out.set_result([])
    for future in futures:
        future.add_done_callback(count)
    return out

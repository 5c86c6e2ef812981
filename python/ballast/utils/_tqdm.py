"""``tqdm`` where it is installed, else its iteration without a bar."""

from __future__ import annotations

try:
    from tqdm.auto import tqdm
except ImportError:

    class tqdm:  # type: ignore[no-redef]  # noqa: N801
        """Iterates, counts, and shows nothing."""

        def __init__(self, iterable=None, total=None, **kwargs):
            self.iterable, self.total, self.n = iterable, total, 0

        def __iter__(self):
            return iter(self.iterable)

        def update(self, n: int = 1) -> None:
            """Count."""
            self.n += n

        def close(self) -> None:
            """End."""

        def __enter__(self):
            return self

        def __exit__(self, *exception) -> None:
            self.close()

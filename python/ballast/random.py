"""The default generator's state, as ``torch.random``."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

from ._core import Generator, Tensor, default_generator, manual_seed

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


def _generator(state: Tensor) -> Generator:
    made = Generator()
    made.set_state(state)
    return made


Generator.__reduce__ = lambda self: (_generator, (self.get_state(),))  # type: ignore[method-assign]


def get_rng_state() -> Tensor:
    """The state of the default generator, as bytes."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue from a state that `get_rng_state` gave."""
    default_generator.set_state(new_state)


def initial_seed() -> int:
    """The seed last given to the default generator."""
    return default_generator.initial_seed()


def seed() -> int:
    """Seed the default generator by chance; returns the seed."""
    value = secrets.randbits(63)
    manual_seed(value)
    return value


@contextlib.contextmanager
def fork_rng(devices=None, enabled: bool = True, **_ignored) -> Iterator[None]:
    """Leave the default generator after the block as it was before."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)

"""A share of the samples for each of several processes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ... import _core
from ..._core import Generator
from .dataset import Dataset
from .sampler import Sampler


class DistributedSampler(Sampler):
    """The samples of one of `num_replicas` processes.

    Parameters
    ----------
    dataset : Dataset
        The whole.
    num_replicas, rank : int
        How many processes there are, and which one this is.
    shuffle : bool
        Whether every epoch has an order of its own; the same in all processes.
    seed : int
        Of that order.
    drop_last : bool
        Whether to leave samples out, instead of repeating some, where they cannot be shared evenly.
    """

    def __init__(
        self,
        dataset: Dataset,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        super().__init__()
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "Requires distributed package to be available: give num_replicas and rank"
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        self.drop_last = drop_last
        size = len(dataset)
        self.num_samples = size // num_replicas if drop_last else math.ceil(size / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        size = len(self.dataset)
        order = list(range(size))
        if self.shuffle:
            generator = Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = _core.randperm(size, generator=generator).tolist()
        return iter([order[i % size] for i in range(self.rank, self.total_size, self.num_replicas)])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins: it chooses the order."""
        self.epoch = epoch

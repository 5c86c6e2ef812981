"""Batches of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from ... import _core
from ..._core import Generator, Tensor
from ..._create import as_tensor, tensor
from .dataset import Dataset, IterableDataset, Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler


def default_collate(batch: list) -> Any:
    """Make one batch of a list of samples: tensors are stacked, numbers become tensors, tuples,
    lists and dictionaries are collated item by item.

    Parameters
    ----------
    batch : list
        Samples of one kind.

    Returns
    -------
    Tensor, list, tuple, dict or str
        With a new first dimension.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return _core.stack(batch)
    if type(first).__module__ == "numpy":
        if getattr(first, "shape", ()) == ():
            return as_tensor(batch)
        return _core.stack([as_tensor(b) for b in batch])
    if isinstance(first, float):
        return tensor(batch, dtype=_core.float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return {k: default_collate([b[k] for b in batch]) for k in first}
    if isinstance(first, (tuple, list)):
        if any(len(b) != len(first) for b in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [default_collate(list(c)) for c in zip(*batch, strict=True)]
        if isinstance(first, tuple) and hasattr(first, "_fields"):
            return type(first)(*columns)
        return columns
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(first)}"
    )


def _fetch(dataset: Dataset, indices: list[int], collate: Callable) -> Any:
    if collate is default_collate:
        where = indices
        while type(dataset) is Subset:
            where = [dataset.indices[i] for i in where]
            dataset = dataset.dataset
        if type(dataset) is TensorDataset:
            return dataset._batch(where)
        indices = where
    return collate([dataset[i] for i in indices])


class DataLoader:
    """Iterates over a data set in batches.

    Parameters
    ----------
    dataset : Dataset
        Where samples come from.
    batch_size : int or None
        Samples in a batch; None: single samples.
    shuffle : bool
        Whether every epoch has a new order.
    sampler, batch_sampler : iterable, optional
        An order of one's own, of samples or of batches.
    num_workers : int
        Accepted; samples are read by this process.
    collate_fn : callable, optional
        Makes a batch of a list of samples.
    pin_memory, timeout, worker_init_fn, prefetch_factor, persistent_workers : optional
        Accepted, without effect.
    drop_last : bool
        Whether to leave out the last batch where it is smaller.
    generator : Generator, optional
        Where the order comes from.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | None = None,
        batch_sampler: Sampler | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
    ):
        self.dataset = dataset
        self.num_workers = num_workers
        self.generator = generator
        self.drop_last = drop_last
        iterable = isinstance(dataset, IterableDataset)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("an IterableDataset has its own order: no shuffle, no sampler")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, "
                    "sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually "
                "exclusive with drop_last"
            )
        if sampler is None and not iterable:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
        if batch_size is not None and not iterable:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if collate_fn is None:
            batched = batch_sampler is not None or (iterable and batch_size is not None)
            collate_fn = default_collate if batched else _convert
        self.collate_fn = collate_fn

    def __iter__(self) -> Iterator[Any]:
        # PyTorch draws a seed for worker processes here, also where there are none.
        (self.generator or _core.default_generator)._draw_seed()
        if isinstance(self.dataset, IterableDataset):
            return self._iterate_stream()
        if self.batch_sampler is None:
            return (self.collate_fn(self.dataset[i]) for i in self.sampler)
        return (_fetch(self.dataset, b, self.collate_fn) for b in self.batch_sampler)

    def _iterate_stream(self) -> Iterator[Any]:
        stream = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, stream)
            return
        while batch := list(islice(stream, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)


def _convert(sample: Any) -> Any:
    """Turn the arrays of a sample into tensors."""
    if type(sample).__module__ == "numpy":
        return as_tensor(sample)
    if isinstance(sample, Mapping):
        return {k: _convert(v) for k, v in sample.items()}
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*map(_convert, sample))
    if isinstance(sample, (tuple, list)):
        return [_convert(s) for s in sample]
    return sample

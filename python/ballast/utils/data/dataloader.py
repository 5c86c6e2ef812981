"""Batches of samples, in order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, repeat
from typing import Any

from ... import _core
from ..._core import Generator
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from .worker import EndOfStream, Job, Workers, get_worker_info

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]


def _read_batch(dataset: Dataset, collate: Callable, numbers: list[int]) -> Any:
    """Read the samples `numbers`; rows of tensors at once."""
    if collate is default_collate:
        whole, rows = dataset, numbers
        while type(whole) is Subset:
            whole, rows = whole.dataset, [whole.indices[i] for i in rows]
        if type(whole) is TensorDataset:
            return whole._batch(rows)
    several = getattr(dataset, "__getitems__", None)
    return collate(several(numbers) if several else [dataset[i] for i in numbers])


def _read_sample(dataset: Dataset, convert: Callable, number: Any) -> Any:
    return convert(dataset[number])


def _read_stream(
    samples: Iterator, size: int | None, drop_last: bool, collate: Callable, _number: Any
) -> Any:
    """Read the next batch of a stream, or the next sample where there are no batches."""
    batch = list(islice(samples, size or 1))
    if not batch or (drop_last and len(batch) < (size or 1)):
        raise EndOfStream
    return collate(batch if size else batch[0])


def _reader(
    dataset: Dataset, size: int | None, drop_last: bool, batches: bool, collate: Callable
) -> Callable[[Any], Any]:
    if isinstance(dataset, IterableDataset):
        return partial(_read_stream, iter(dataset), size, drop_last, collate)
    return partial(_read_batch if batches else _read_sample, dataset, collate)


def _check_workers(count: int, timeout: float, ahead: int | None, persistent: bool) -> None:
    if count < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if count == 0 and ahead is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if ahead is not None and ahead < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and count == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_order(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last) -> None:
    if isinstance(dataset, IterableDataset):
        for name, value in (
            ("shuffle", shuffle or None),
            ("sampler", sampler),
            ("batch_sampler", batch_sampler),
        ):
            if value is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified {name} option, but "
                    f"got {name}={value}"
                )
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        raise ValueError(
            "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
            "drop_last"
        )
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


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
        Processes that read samples; 0: this one does. Batches and their order are the same.
    collate_fn : callable, optional
        Makes a batch of a list of samples.
    pin_memory, pin_memory_device, in_order : optional
        Accepted, without effect: memory is a CPU's, and batches come in order.
    timeout : float
        Seconds to wait for a worker's batch; 0: for ever.
    worker_init_fn : callable, optional
        Called by every worker, with its number, before it reads.
    multiprocessing_context : str or context, optional
        How workers are started; ``"fork"`` where the platform forks.
    prefetch_factor : int, optional
        Batches that every worker is ahead: 2.
    persistent_workers : bool
        Whether workers live on after an epoch, for the next.
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
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler | Iterable | None = None,
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
        in_order: bool = True,
    ):
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        _check_order(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = _context(multiprocessing_context, num_workers)
        self.in_order = in_order
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.drop_last = drop_last
        self.batch_size = None if batch_sampler is not None else batch_size
        if sampler is None and isinstance(dataset, IterableDataset):
            sampler = repeat(None)
        elif sampler is None and shuffle:
            sampler = RandomSampler(dataset, generator=generator)
        elif sampler is None:
            sampler = SequentialSampler(dataset)
        if self.batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self._workers: Workers | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._workers is not None:
            return self._workers.begin(self._numbers())
        # PyTorch draws the seed of workers also where there are none.
        seed = (self.generator or _core.default_generator)._draw_seed()
        reader = partial(
            _reader,
            self.dataset,
            self.batch_size,
            self.drop_last,
            self.batch_sampler is not None,
            self.collate_fn,
        )
        if self.num_workers == 0:
            return _batches(reader(), self._numbers())
        job = Job(
            self.dataset,
            reader,
            self.worker_init_fn,
            self.num_workers,
            self.prefetch_factor,
            self.timeout,
        )
        workers = Workers(job, seed, self.multiprocessing_context)
        if self.persistent_workers:
            self._workers = workers
        return workers.begin(self._numbers())

    def _numbers(self) -> Iterator[Any]:
        """What is read for every batch: its samples' numbers; of a stream, nothing."""
        if isinstance(self.dataset, IterableDataset):
            return repeat(None)
        return iter(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)


def _batches(read: Callable[[Any], Any], numbers: Iterator[Any]) -> Iterator[Any]:
    for n in numbers:
        try:
            batch = read(n)
        except EndOfStream:
            return
        yield batch


def _context(context: Any, workers: int) -> Any:
    if context is None or not isinstance(context, str):
        return context
    if workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > "
            f"0), but got num_workers={workers}"
        )
    methods = multiprocessing.get_all_start_methods()
    if context not in methods:
        raise ValueError(
            "multiprocessing_context option should specify a valid start method in "
            f"{methods!r}, but got multiprocessing_context={context!r}"
        )
    return multiprocessing.get_context(context)


class _DatasetKind:
    """How a dataset is read."""

    Map, Iterable = 0, 1


class _BaseDataLoaderIter:
    """The type of PyTorch's iterators over loaders, for annotations."""


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Reads a stream without worker processes; fastai makes one of its own loader."""

    def __init__(self, loader: Any):
        if loader._auto_collation or loader._dataset_kind != _DatasetKind.Iterable:
            raise NotImplementedError("only streams are read this way: use iter(loader)")
        loader_seed = loader.generator or _core.default_generator
        self._base_seed = loader_seed._draw_seed()
        self._samples, self._collate = iter(loader.dataset), loader.collate_fn

    def __iter__(self) -> _SingleProcessDataLoaderIter:
        return self

    def __next__(self) -> Any:
        return self._collate(next(self._samples))


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Refuses to be made."""

    def __init__(self, loader: Any):
        raise NotImplementedError(
            "_MultiProcessingDataLoaderIter is not in Ballast: use num_workers=0, or DataLoader"
        )

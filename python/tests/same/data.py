"""`torch.utils.data`: orders, batches, workers."""

import collections
import random

import numpy as np

from . import error_of

Point = collections.namedtuple("Point", "x y")


def _rows(torch, n=23):
    return torch.utils.data.TensorDataset(torch.arange(n), torch.arange(n) * 10)


def _orders(torch, loader, epochs=2):
    """The samples of some epochs, and where the generator is after them."""
    found = [[batch[0].tolist() for batch in loader] for _ in range(epochs)]
    return [*found, torch.rand(1).item()]


def _sampled(torch, make):
    """Two passes over a sampler of the default generator, and two over one of its own."""
    out = []
    for generator in (None, torch.Generator().manual_seed(9)):
        torch.manual_seed(4)
        sampler = make(generator)
        out.append([list(sampler), list(sampler), len(sampler), torch.rand(1).item()])
    return out


def case_samplers(torch):
    data = torch.utils.data
    weights = [0.1, 0.9, 0.4, 0.7, 3.0, 0.6]
    return {
        "sequential": list(data.SequentialSampler(range(5))),
        "random": _sampled(torch, lambda g: data.RandomSampler(range(40), generator=g)),
        "replaced": _sampled(torch, lambda g: data.RandomSampler(range(9), True, 70, generator=g)),
        "more": _sampled(torch, lambda g: data.RandomSampler(range(9), False, 25, generator=g)),
        "fewer": _sampled(torch, lambda g: data.RandomSampler(range(9), False, 4, generator=g)),
        "subset": _sampled(torch, lambda g: data.SubsetRandomSampler([3, 1, 4, 15, 9], g)),
        "weighted": _sampled(torch, lambda g: data.WeightedRandomSampler(weights, 50, True, g)),
        "weighted once": _sampled(
            torch, lambda g: data.WeightedRandomSampler(weights, 5, False, g)
        ),
        "batches": [
            list(data.BatchSampler(range(10), n, last))
            for n in (1, 3, 10)
            for last in (True, False)
        ],
        "distributed": [
            list(data.DistributedSampler(range(11), 3, rank, shuffle, 2, drop))
            for rank in range(3)
            for shuffle in (True, False)
            for drop in (True, False)
        ],
    }


def case_sampler_errors(torch):
    data = torch.utils.data
    calls = (
        lambda: data.RandomSampler(range(0)),
        lambda: data.RandomSampler(range(3), "yes"),
        lambda: data.RandomSampler(range(3), num_samples=-1),
        lambda: data.WeightedRandomSampler([1.0], 0),
        lambda: data.WeightedRandomSampler([1.0], 1, 1),
        lambda: data.WeightedRandomSampler([[1.0]], 1),
        lambda: list(data.WeightedRandomSampler([1.0, 2.0], 3, False)),
        lambda: data.BatchSampler(range(3), 0, False),
        lambda: data.BatchSampler(range(3), 1, 0),
        lambda: data.DistributedSampler(range(3), 2, 2),
    )
    return [error_of(c) for c in calls]


def case_loaders(torch):
    loader = torch.utils.data.DataLoader
    out = {}
    for workers in (0, 1, 3):
        torch.manual_seed(workers)
        rows = _rows(torch)
        own = torch.Generator().manual_seed(7)
        subset = torch.utils.data.SubsetRandomSampler(range(5, 20))
        out[workers] = [
            _orders(torch, loader(rows, 4, num_workers=workers)),
            _orders(torch, loader(rows, 4, shuffle=True, num_workers=workers)),
            _orders(torch, loader(rows, 5, True, generator=own, num_workers=workers)),
            torch.rand(1, generator=own).item(),
            _orders(torch, loader(rows, 4, sampler=subset, drop_last=True, num_workers=workers)),
            _orders(torch, loader(rows, batch_sampler=[[1, 2], [5]], num_workers=workers)),
            _orders(torch, loader(rows, None, num_workers=workers), 1),
        ]
    for ahead in (1, 4):
        torch.manual_seed(ahead)
        options = {"num_workers": 2, "prefetch_factor": ahead, "persistent_workers": True}
        chosen = torch.utils.data.RandomSampler(rows, True, 40)
        out[f"ahead {ahead}"] = _orders(torch, loader(rows, 3, sampler=chosen, **options), 3)
    return out


class _Chances:
    """Samples that show the worker's generators."""

    def __init__(self, torch):
        self.torch = torch

    def __len__(self):
        return 6

    def __getitem__(self, i):
        info = self.torch.utils.data.get_worker_info()
        drawn = [self.torch.rand(1).item(), random.random(), float(np.random.rand())]
        return {"drawn": drawn, "seed": info.seed, "id": info.id, "of": info.num_workers}


def case_workers_draw_numbers_of_their_own(torch):
    out = []
    for persistent in (False, True):
        torch.manual_seed(12)
        loader = torch.utils.data.DataLoader(
            _Chances(torch), 2, num_workers=2, persistent_workers=persistent
        )
        out += [[_plain_batch(b) for b in loader] for _ in range(2)]
    return [*out, torch.utils.data.get_worker_info() is None]


def _plain_batch(batch):
    if isinstance(batch, dict):
        return {k: _plain_batch(v) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return [_plain_batch(b) for b in batch]
    return batch.tolist()


def _stream(torch, lengths):
    """A stream of which worker i reads ``lengths[i]`` numbers."""

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            info = torch.utils.data.get_worker_info()
            which = info.id if info else 0
            return iter(range(100 * which, 100 * which + lengths[which]))

    return Stream()


def case_streams(torch):
    loader = torch.utils.data.DataLoader
    out = []
    for lengths in ((7, 3, 11), (0, 0, 2), (1, 8, 8), (0, 0, 0)):
        for workers in (0, 1, 3):
            for options in ({"batch_size": 2}, {"batch_size": 4, "drop_last": True}):
                stream = loader(_stream(torch, lengths), num_workers=workers, **options)
                out.append([b.tolist() for b in stream])
            stream = loader(_stream(torch, lengths), batch_size=None, num_workers=workers)
            out.append(list(stream))
    stream = loader(_stream(torch, (7, 3)), num_workers=2, batch_size=2, persistent_workers=True)
    return [*out, *([b.tolist() for b in stream] for _ in range(2))]


def case_sets(torch):
    data = torch.utils.data
    rows, names = _rows(torch, 6), list("abcdef")
    stacked = data.StackDataset(rows, names)
    named = data.StackDataset(x=rows, name=names)
    torch.manual_seed(3)
    both = data.ConcatDataset([rows, data.Subset(rows, [5, 1])])
    return {
        "stacked": [(s[0][0].item(), s[1]) for s in (stacked[i] for i in range(len(stacked)))],
        "batches": [(b[0][0].tolist(), b[1]) for b in data.DataLoader(stacked, 4)],
        "named": [(b["x"][1].tolist(), b["name"]) for b in data.DataLoader(named, 4)],
        "chained": list(data.ChainDataset([_stream(torch, (3,)), _stream(torch, (2,))])),
        "added": list(_stream(torch, (1,)) + _stream(torch, (2,))),
        "concatenated": [both[i][0].item() for i in range(len(both))],
        "split": [list(s.indices) for s in data.random_split(range(23), [0.5, 0.3, 0.2])],
        "split in sizes": [list(s.indices) for s in data.random_split(range(7), [3, 4])],
        "errors": [
            error_of(lambda: data.StackDataset()),
            error_of(lambda: data.StackDataset(rows, x=rows)),
            error_of(lambda: data.StackDataset(rows, names[:2])),
            error_of(lambda: data.ConcatDataset([])),
            error_of(lambda: list(data.ChainDataset([rows]))),
        ],
    }


def _described(value):
    if isinstance(value, dict):
        return [type(value).__name__, {k: _described(v) for k, v in value.items()}]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [_described(v) for v in value]]
    return [type(value).__name__, str(value)]


def case_collation(torch):
    data = torch.utils.data
    array = np.arange(3, dtype=np.float32)
    samples = {
        "numbers": [1, 2],
        "floats": [0.5, 2.0],
        "truths": [True, False],
        "texts": ["a", "b"],
        "tensors": [torch.ones(2), torch.zeros(2)],
        "arrays": [array, array],
        "numpy numbers": [np.float64(1), np.float64(2)],
        "tuples": [(1, "x"), (2, "y")],
        "named": [Point(1, 2.0), Point(3, 4.0)],
        "lists": [[1, 2], [3, 4]],
        "dictionaries": [{"a": 1, "b": [1]}, {"a": 2, "b": [2]}],
        "ordered": [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    }
    return {
        **{k: _described(data.default_collate(v)) for k, v in samples.items()},
        "converted": _described(data.default_convert({"a": array, "b": (array, 1), "c": "text"})),
        "errors": [
            error_of(lambda: data.default_collate([object(), object()]).__name__)[:60],
            error_of(lambda: data.default_collate([[1], [1, 2]])),
            error_of(lambda: data.default_collate([np.array(["a"])] * 2)),
        ],
    }


def case_loader_errors(torch):
    loader = torch.utils.data.DataLoader
    rows, stream = _rows(torch), _stream(torch, (3,))
    calls = (
        lambda: loader(rows, num_workers=-1),
        lambda: loader(rows, timeout=-1),
        lambda: loader(rows, prefetch_factor=2),
        lambda: loader(rows, persistent_workers=True),
        lambda: loader(rows, sampler=[1], shuffle=True),
        lambda: loader(rows, batch_sampler=[[1]], shuffle=True),
        lambda: loader(rows, None, drop_last=True),
        lambda: loader(stream, shuffle=True),
        lambda: loader(stream, sampler=[1]),
        lambda: loader(rows, batch_size=0),
        lambda: loader(rows, num_workers=1, multiprocessing_context="spoon"),
        lambda: loader(rows, multiprocessing_context="fork"),
    )
    return [error_of(c).partition("in [")[0] for c in calls]


class _Faulty:
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 4

    def __getitem__(self, i):
        if i == 2:
            raise self.error
        return i


def case_workers_errors(torch):
    out = []
    for error in (ValueError("no"), KeyError("gone"), StopIteration(), ZeroDivisionError()):
        loader = torch.utils.data.DataLoader(_Faulty(error), 1, num_workers=2)
        seen = iter(loader)
        good = [next(seen).tolist(), next(seen).tolist()]
        wrong = error_of(lambda seen=seen: next(seen))
        out.append([*good, wrong, next(seen).tolist()])

    def refuse(worker):
        raise ValueError("not today")

    loader = torch.utils.data.DataLoader(range(4), num_workers=1, worker_init_fn=refuse)
    return [*out, error_of(lambda: list(loader))]

"""Sizes near the ends of whole numbers: an exception in time, never a signal, a hang or a result.

Every function that makes or reshapes tensors is called with such sizes in a process of its own,
whose address space is limited.
"""

import os
import resource
import signal

import pytest

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F

SIZES = (2**31, 2**32 + 1, 2**47, 2**61, 2**62, 2**63 - 1)

x = torch.arange(4.0)
image = torch.ones(1, 4, 4, 4)
row = torch.ones(1, 1, 4)


def wide(n):
    """A number seen n times."""
    return torch.ones(1).expand(n)


MAKERS = {
    "zeros": torch.zeros,
    "zeros2": lambda n: torch.zeros(n, n),
    "zeros_double": lambda n: torch.zeros(n, dtype=torch.float64),
    "ones": torch.ones,
    "empty": torch.empty,
    "full": lambda n: torch.full((n,), 1.0),
    "rand": torch.rand,
    "randn": torch.randn,
    "randint": lambda n: torch.randint(5, (n,)),
    "randperm": torch.randperm,
    "arange": torch.arange,
    "arange_of_fractions": lambda n: torch.arange(0, float(n), 0.5),
    "linspace": lambda n: torch.linspace(0, 1, n),
    "logspace": lambda n: torch.logspace(0, 1, n),
    "eye": torch.eye,
    "eye_columns": lambda n: torch.eye(2, n),
    "tril_indices": lambda n: torch.tril_indices(n, n),
    "triu_indices": lambda n: torch.triu_indices(n, n),
    "vander": lambda n: torch.vander(x, n),
    "new_zeros": x.new_zeros,
    "zeros_like": lambda n: torch.zeros_like(wide(n)),
    "bincount": lambda n: torch.bincount(torch.tensor([1]), minlength=n),
    "one_hot": lambda n: F.one_hot(torch.tensor([1]), n),
    "Embedding": lambda n: nn.Embedding(n, 1).weight,
    "Linear": lambda n: nn.Linear(n, 1).weight,
    "Conv2d": lambda n: nn.Conv2d(n, 1, 1).weight,
    "BatchNorm1d": lambda n: nn.BatchNorm1d(n).running_mean,
    "contiguous": lambda n: wide(n).contiguous().numpy(),
    "clone": lambda n: wide(n).clone().numpy(),
    "double": lambda n: wide(n).double(),
    "add": lambda n: wide(n) + 1,
    "outer": lambda n: torch.outer(wide(n), wide(n)),
    "matmul": lambda n: wide(n).reshape(n, 1) @ wide(n).reshape(1, n),
    "repeat": lambda n: x.repeat(n),
    "repeat2": lambda n: x.repeat(n, n),
    "tile": lambda n: torch.tile(x, (n,)),
    "repeat_interleave": lambda n: x.repeat_interleave(n),
    "meshgrid": lambda n: torch.meshgrid(wide(n), wide(n), indexing="ij")[0] + 1,
    "cat": lambda n: torch.cat([wide(n), wide(n)]),
    "stack": lambda n: torch.stack([wide(n), wide(n)]),
    "tril": lambda n: torch.tril(wide(n).expand(n, n)),
    "diag": lambda n: torch.diag(x, n),
    "diag_embed": lambda n: torch.diag_embed(x, n),
    "combinations": lambda n: torch.combinations(torch.ones(2**16), 2),
    "cartesian_prod": lambda n: torch.cartesian_prod(wide(n), wide(n)),
    "pad": lambda n: F.pad(x, (0, n)),
    "pad_before": lambda n: F.pad(x, (n, n)),
    "pad_replicate": lambda n: F.pad(row, (0, n), mode="replicate"),
    "pad_reflect": lambda n: F.pad(row, (0, n), mode="reflect"),
    "pad_circular": lambda n: F.pad(row, (0, n), mode="circular"),
    "interpolate": lambda n: F.interpolate(row, size=n),
    "interpolate_linear": lambda n: F.interpolate(row, size=n, mode="linear"),
    "interpolate_area": lambda n: F.interpolate(row, size=n, mode="area"),
    "interpolate_bicubic": lambda n: F.interpolate(image, size=n, mode="bicubic"),
    "interpolate_antialias": lambda n: F.interpolate(
        image, size=n, mode="bilinear", antialias=True
    ),
    "interpolate_factor": lambda n: F.interpolate(row, scale_factor=float(n)),
    "adaptive_avg_pool1d": lambda n: F.adaptive_avg_pool1d(row, n),
    "adaptive_avg_pool2d": lambda n: F.adaptive_avg_pool2d(image, n),
    "adaptive_avg_pool3d": lambda n: F.adaptive_avg_pool3d(image, n),
    "adaptive_max_pool2d": lambda n: F.adaptive_max_pool2d(image, n),
    "conv_padding": lambda n: F.conv2d(image, torch.ones(1, 4, 1, 1), padding=n),
    "conv1d_padding": lambda n: F.conv1d(row, torch.ones(1, 1, 1), padding=n),
    "conv3d_padding": lambda n: F.conv3d(image, torch.ones(1, 1, 1, 1, 1), padding=n),
    "conv_transpose_stride": lambda n: F.conv_transpose1d(row, torch.ones(1, 1, 1), stride=n),
    "conv_transpose_dilation": lambda n: F.conv_transpose1d(row, torch.ones(1, 1, 3), dilation=n),
    "pixel_shuffle": lambda n: F.pixel_shuffle(image, n),
    "fold": lambda n: F.fold(torch.ones(1, 1, 4), n, 1),
    "max_unpool1d": lambda n: F.max_unpool1d(row, torch.zeros(1, 1, 4).long(), n, n),
    "view": lambda n: x.view(n),
    "reshape": lambda n: x.reshape(n, n, -1),
    "unflatten": lambda n: x.unflatten(0, (n, n)),
    "select": lambda n: x.select(0, n),
    "narrow": lambda n: x.narrow(0, 2, n),
    "as_strided_size": lambda n: x.as_strided((n, n), (1, 1)),
    "as_strided_stride": lambda n: x.as_strided((3,), (n,)),
    "as_strided_offset": lambda n: x.as_strided((3,), (1,), n),
    "index": lambda n: x[torch.tensor([n])],
    "take": lambda n: x.take(torch.tensor([n])),
    "gather": lambda n: x.gather(0, torch.tensor([n])),
    "index_select": lambda n: x.index_select(0, torch.tensor([n])),
    "scatter": lambda n: x.scatter(0, torch.tensor([n]), x[:1]),
    "embedding": lambda n: F.embedding(torch.tensor([n]), torch.ones(2, 2)),
    "topk": lambda n: x.topk(n)[0],
    "kthvalue": lambda n: x.kthvalue(n)[0],
    "unfold": lambda n: x.unfold(0, n, n),
    "F.unfold": lambda n: F.unfold(image, n),
    "F.unfold_padding": lambda n: F.unfold(image, 1, padding=n),
    "softmax": lambda n: x.softmax(n),
    "permute": lambda n: x.permute(n),
    "unsqueeze": lambda n: x.unsqueeze(n),
}
# These have small results: what is beyond the end is none, or all.
SMALL = {
    "slice": lambda n: (x[n:], x[-n:], x[:n], x[::n], x[1:n:n]),
    "split": lambda n: torch.cat(x.split(n)),
    "chunk": lambda n: torch.cat(x.chunk(n)),
    "roll": lambda n: (x.roll(n), x.roll(-n)),
    "tril_beyond": lambda n: (torch.ones(3, 3).tril(n), torch.ones(3, 3).triu(-n)),
    "triu_beyond": lambda n: (torch.ones(3, 3).triu(n), torch.ones(3, 3).tril(-n)),
    "expand": lambda n: wide(n).shape,
    "shift": lambda n: (torch.tensor([1]) << n, torch.tensor([-1]) >> n),
    "product": lambda n: (torch.tensor([n]) * n, torch.tensor([n]) + n, -torch.tensor([-n])),
    "square": lambda n: torch.tensor([n]).square(),
    "cumsum": lambda n: torch.tensor([n, n]).cumsum(0),
    "sum": lambda n: torch.tensor([n, n]).sum(),
}


def outcome(call) -> str:
    """Run a call in a limited process; say how it ended."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = "a result"
        try:
            with open("/proc/self/statm") as f:
                used = int(f.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
            signal.alarm(30)
            made = call()
            for t in made if isinstance(made, tuple) else (made,):
                if isinstance(t, torch.Tensor) and t.numel() > 0:
                    t.flatten()[-1].item()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(write, said.encode()[:4000])
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        said = f.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return said if status == 0 else f"status {status}"


KINDS = ("RuntimeError", "ValueError", "IndexError", "TypeError", "NotImplementedError")


@pytest.mark.parametrize("name", MAKERS)
def test_sizes_that_do_not_fit_are_errors(name):
    for n in SIZES:
        said = outcome(lambda n=n: MAKERS[name](n))
        assert said.split(":")[0] in KINDS, (n, said)


@pytest.mark.parametrize("name", SMALL)
def test_numbers_beyond_the_end_are_harmless(name):
    for n in SIZES:
        said = outcome(lambda n=n: SMALL[name](n))
        assert said == "a result", (n, said)


def test_the_bytes_asked_for_are_named():
    with pytest.raises(RuntimeError, match="tried to allocate 562949953421312 bytes"):
        torch.zeros(2**47)
    with pytest.raises(RuntimeError, match=r"Storage size calculation overflowed with sizes=\["):
        torch.zeros(2**62)
    with pytest.raises(RuntimeError, match="numel: integer multiplication overflow"):
        torch.ones(1).expand(2**40, 2**40)


def test_steps_and_bounds_beyond_the_end_choose_what_is_there():
    n = 2**63 - 1
    assert x[::n].tolist() == [0] and x[1::n].tolist() == [1] and x[-n:].tolist() == [0, 1, 2, 3]
    assert torch.cat(x.split(n)).tolist() == [0, 1, 2, 3]
    assert len(x.chunk(n)) == 4
    assert x.roll(n).tolist() == x.roll(n % 4).tolist()
    assert torch.ones(2, 2).tril(n).sum().item() == 4 and torch.ones(2, 2).triu(n).sum().item() == 0
    y = torch.arange(6.0, requires_grad=True)
    y[2 :: 2**62].sum().backward()
    assert y.grad.tolist() == [0, 0, 1, 0, 0, 0]

"""What exists as a name only says so when it is used, and nothing is converted silently."""

import numpy as np
import pytest

import ballast as torch
import ballast.nn as nn

NAMES = [
    *("uint32", "uint64", "complex32", "complex64", "cfloat", "complex128"),
    *("float8_e4m3fn", "float8_e5m2"),
]
USES = {
    "zeros": lambda t: torch.zeros(2, dtype=t),
    "tensor": lambda t: torch.tensor([1, 2], dtype=t),
    "as_tensor": lambda t: torch.as_tensor(np.ones(2), dtype=t),
    "arange": lambda t: torch.arange(3, dtype=t),
    "full": lambda t: torch.full((2,), 1, dtype=t),
    "randint": lambda t: torch.randint(3, (2,), dtype=t),
    "empty_like": lambda t: torch.empty_like(torch.ones(1), dtype=t),
    "to": lambda t: torch.ones(2).to(t),
    "to dtype": lambda t: torch.ones(2).to(dtype=t),
    "type": lambda t: torch.ones(2).type(t),
    "sum": lambda t: torch.ones(2).sum(dtype=t),
    "softmax": lambda t: torch.softmax(torch.ones(2), 0, dtype=t),
    "new_zeros": lambda t: torch.ones(2).new_zeros(2, dtype=t),
    "module.to": lambda t: nn.Linear(1, 1).to(t),
    "Linear": lambda t: nn.Linear(1, 1, dtype=t),
    "BatchNorm": lambda t: nn.BatchNorm2d(1, dtype=t),
    "promote_types": lambda t: torch.promote_types(t, torch.float32),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("use", USES)
def test_a_type_that_is_not_supported_says_so(name, use):
    dtype = getattr(torch, name)
    with pytest.raises(NotImplementedError, match=rf"{str(dtype)} is not supported: "):
        USES[use](dtype)


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.ones(1).cfloat(),
        lambda: torch.ones(1).cdouble(),
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.autocast("cpu"),
        lambda: torch.amp.autocast("cpu", dtype=torch.bfloat16),
    ],
)
def test_other_ways_to_them_are_refused_too(call):
    with pytest.raises(NotImplementedError, match="float32|int64|real"):
        call()


def test_names_compare_by_identity():
    assert torch.ones(1).dtype is torch.float32
    assert torch.float32 not in (torch.float16, torch.bfloat16)
    assert torch.half is torch.float16 and torch.int is torch.int32
    assert len({getattr(torch, n) for n in NAMES}) == 7


def test_compiling_changes_nothing():
    net = nn.Linear(2, 2)
    assert torch.compile(net, mode="max-autotune") is net

    @torch.compile(fullgraph=True)
    def double(x):
        return 2 * x

    assert double(torch.ones(1)).item() == 2


def test_mixed_precision_for_gpus_is_off_without_one():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        scaler = torch.cuda.amp.GradScaler()
    with pytest.warns(UserWarning, match="CUDA is not available"):
        context = torch.cuda.amp.autocast()
    p = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([p], lr=0.5)
    with context:
        loss = (p**2).sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert p.item() == 0.0 and p.dtype is torch.float32

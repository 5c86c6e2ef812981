"""Normalization layers against the values of scripts/golden/norms.py, and what is Python's own."""

import json
from pathlib import Path

import numpy as np
import pytest

import ballast
from ballast import nn

GOLDEN = json.loads((Path(__file__).parents[2] / "tests/golden/norms.json").read_text())
MASK = 2**64 - 1


def uniform(shape, seed):
    """The numbers of ballast::test::uniform."""
    state = (seed * 0x9E3779B97F4A7C15 + 1) & MASK
    values = np.empty(int(np.prod(shape)))
    for i in range(values.size):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        values[i] = ((z ^ z >> 31) >> 11) * 2.0**-52 - 1
    return ballast.tensor(values.reshape(shape))


def layer_of(kind, case):
    shape, options = case["shape"], case["options"]
    flat = len(shape) < 4
    if kind == "ghost":
        cls = nn.GhostBatchNorm1d if flat else nn.GhostBatchNorm2d
        return cls(shape[1], options["virtual_batch"], momentum=options["momentum"])
    if kind == "renorm":
        cls = nn.BatchRenorm1d if flat else nn.BatchRenorm2d
        return cls(shape[1], momentum=options["momentum"], **options["limits"])
    return nn.FrozenBatchNorm2d(shape[1])


CASES = [(kind, case) for kind in ("ghost", "renorm", "frozen") for case in GOLDEN[kind]]


@pytest.mark.parametrize("kind,case", CASES)
def test_layers_agree_step_by_step(kind, case):
    layer = layer_of(kind, case).double()
    tensors = layer.state_dict()
    for seed, name in enumerate(("weight", "bias"), start=1):
        tensors[name].copy_(uniform(tensors[name].shape, seed))
    if kind == "frozen":
        assert str(layer) == case["print"]
        tensors["running_mean"].copy_(uniform(tensors["running_mean"].shape, 3))
        tensors["running_var"].copy_(uniform(tensors["running_var"].shape, 4) + 2)

    def expect(got, want):
        np.testing.assert_allclose(got.detach().numpy().ravel(), want, rtol=1e-9, atol=1e-12)

    for i, step in enumerate(case["steps"]):
        layer.train(i < 5)
        layer.zero_grad()
        x = (uniform(case["shape"], 10 + i) * (1 + i / 2) + i / 2).requires_grad_()
        y = layer(x)
        (y * uniform(case["shape"], 99)).sum().backward()
        expect(y, step["y"])
        expect(x.grad, step["x_grad"])
        for name, p in layer.named_parameters():
            expect(p.grad, step["grads"][name])
        for name, b in layer.named_buffers():
            if name in step["buffers"]:
                expect(b, step["buffers"][name])


def test_a_frozen_layer_loads_a_file_of_batch_norm():
    norm = nn.BatchNorm2d(3)
    norm(ballast.randn(4, 3, 2, 2))
    frozen = nn.FrozenBatchNorm2d(3)
    keys = frozen.load_state_dict(norm.state_dict())
    assert keys.missing_keys == [] and keys.unexpected_keys == []
    x = ballast.randn(4, 3, 2, 2)
    np.testing.assert_array_equal(frozen(x).numpy(), norm.eval()(x).detach().numpy())


def test_layers_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="virtual_batch must be positive, got 0"):
        nn.GhostBatchNorm1d(3, 0)
    with pytest.raises(ValueError, match="r_max >= 1"):
        nn.BatchRenorm2d(3, r_max=0.5)
    with pytest.raises(ValueError, match="expected 4D input"):
        nn.FrozenBatchNorm2d(3)(ballast.zeros(2, 3))
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        nn.GhostBatchNorm1d(3, 2)(ballast.zeros(2, 3, 1, 1))


def test_layers_print_their_arguments():
    assert str(nn.GhostBatchNorm2d(3, 8)) == (
        "GhostBatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, "
        "track_running_stats=True, virtual_batch=8)"
    )
    assert str(nn.BatchRenorm1d(3)) == (
        "BatchRenorm1d(3, eps=1e-05, momentum=0.1, affine=True, r_max=3.0, d_max=5.0, "
        "start=5000, r_end=40000, d_end=25000)"
    )


def test_renorm_without_tracked_statistics_is_batch_normalization():
    renorm = nn.BatchRenorm1d(3, r_max=2.0, d_max=1.0, start=-1, r_end=0, d_end=0)
    norm = nn.BatchNorm1d(3)
    for layer in (renorm, norm):
        layer.track_running_stats = False  # after construction
    x = uniform((6, 3), 2).float()
    np.testing.assert_array_equal(renorm(x).detach().numpy(), norm(x).detach().numpy())
    assert renorm.num_batches_tracked.item() == 0
    for layer in (renorm, norm):
        layer.eval()  # by the statistics that are there, as PyTorch
    np.testing.assert_array_equal(renorm(x).detach().numpy(), norm(x).detach().numpy())

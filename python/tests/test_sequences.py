"""Attention, alignment of sequences, and images read at positions."""

import itertools
import math

import numpy as np
import pytest

import ballast as torch
import ballast.nn.functional as F
from ballast.autograd import gradcheck, gradgradcheck


def values(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def close(got, want):
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-9, atol=1e-12)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# Attention.


def test_attention_is_a_weighted_sum_of_values():
    q, k, v = values(2, 3, 4, 5), values(2, 3, 6, 5, seed=1), values(2, 3, 6, 2, seed=2)
    a, b, c = (t.detach().numpy() for t in (q, k, v))
    scores = a @ b.swapaxes(-1, -2)
    close(F.scaled_dot_product_attention(q, k, v), softmax(scores / math.sqrt(5)) @ c)
    close(F.scaled_dot_product_attention(q, k, v, scale=-0.3), softmax(-0.3 * scores) @ c)
    mask = np.random.default_rng(3).random((4, 6)) < 0.5
    mask[:, 0] = True
    got = F.scaled_dot_product_attention(q, k, v, torch.from_numpy(mask))
    close(got, softmax(np.where(mask, scores / math.sqrt(5), -np.inf)) @ c)
    got = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    close(got, softmax(np.where(np.tri(4, 6, dtype=bool), scores / math.sqrt(5), -np.inf)) @ c)


def test_a_query_that_sees_nothing_gets_zeros():
    q = values(2, 3)
    mask = torch.tensor([[False, False], [True, True]])
    out = F.scaled_dot_product_attention(q, q, q, mask)
    assert out[0].tolist() == [0, 0, 0]
    out.sum().backward()
    assert q.grad.isfinite().all()


def test_groups_of_heads_share_keys():
    q, k = values(2, 4, 3, 5), values(2, 2, 3, 5, seed=1)
    wide = k.repeat_interleave(2, -3)
    want = F.scaled_dot_product_attention(q, wide, wide).detach().numpy()
    close(F.scaled_dot_product_attention(q, k, k, enable_gqa=True), want)


@pytest.mark.parametrize("lead", [(), (1,), (2, 3)], ids=str)
def test_derivatives_of_attention(lead):
    args = values(*lead, 4, 3), values(*lead, 2, 3, seed=1), values(*lead, 2, 5, seed=2)
    mask = values(4, 2, seed=3)
    assert gradcheck(lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m), (*args, mask))
    assert gradgradcheck(lambda q, k, v: F.scaled_dot_product_attention(q, k, v), args)


def heads(x, weight, bias, out_weight, out_bias, **options):
    return F.multi_head_attention_forward(
        *(x, x, x, 6, 2, weight, bias, None, None, False, 0.0, out_weight, out_bias), **options
    )


def test_attention_of_heads():
    x, w, b = values(4, 3, 6), values(18, 6, seed=1), values(18, seed=2)
    ow, ob = values(6, 6, seed=3), values(6, seed=4)
    out, weights = heads(x, w, b, ow, ob)
    q, k, v = (x @ w.T + b).split(6, -1)
    want, shares = [], []
    for n, h in itertools.product(range(3), range(2)):
        part = [t[:, n, 3 * h : 3 * h + 3].detach().numpy() for t in (q, k, v)]
        shares.append(softmax(part[0] @ part[1].T / math.sqrt(3)))
        want.append(shares[-1] @ part[2])
    joined = np.array(want).reshape(3, 2, 4, 3).transpose(2, 0, 1, 3).reshape(4, 3, 6)
    close(out, joined @ ow.detach().numpy().T + ob.detach().numpy())
    close(weights, np.array(shares).reshape(3, 2, 4, 4).mean(1))
    single, _ = heads(x[:, 1], w, b, ow, ob)
    close(single, out[:, 1].detach().numpy())
    padding = torch.tensor([[False, False, False, True]] * 3)
    _, weights = heads(x, w, b, ow, ob, key_padding_mask=padding)
    assert (weights[..., 3] == 0).all()
    assert gradcheck(lambda *t: heads(*t)[0], (x, w, b, ow, ob))


# Alignment.


def ways(log_probs, target, blank):
    """Minus the log of the sum over all drawings of labels that merge to the target."""
    steps, classes = log_probs.shape
    total = -np.inf
    for path in itertools.product(range(classes), repeat=steps):
        merged = [k for i, k in enumerate(path) if i == 0 or path[i - 1] != k]
        if [k for k in merged if k != blank] == list(target):
            total = np.logaddexp(total, sum(log_probs[t, k] for t, k in enumerate(path)))
    return -total


@pytest.mark.parametrize("blank", [0, 2])
def test_ctc_loss_sums_over_all_alignments(blank):
    raw = values(4, 3, 3)
    p = raw.log_softmax(-1)
    labels = [k for k in range(3) if k != blank]
    targets = [[labels[0]], [labels[1], labels[1]], [labels[0], labels[1]]]
    lengths, steps = [1, 2, 2], [4, 4, 3]
    want = [ways(p[: steps[n], n].detach().numpy(), targets[n], blank) for n in range(3)]
    joined = torch.tensor(sum(targets, []))
    got = F.ctc_loss(p, joined, steps, lengths, blank, "none")
    close(got, want)
    padded = torch.tensor([t + [labels[0]] * (2 - len(t)) for t in targets])
    close(F.ctc_loss(p, padded, torch.tensor(steps), torch.tensor(lengths), blank, "none"), want)
    mean = np.mean(np.array(want) / lengths)
    close(torch.nn.CTCLoss(blank)(p, padded, steps, lengths), mean)
    assert gradcheck(
        lambda x: F.ctc_loss(x.log_softmax(-1), padded, steps, lengths, blank, "sum"), (raw,)
    )


def test_impossible_targets():
    p = values(2, 1, 3).log_softmax(-1)
    assert F.ctc_loss(p, torch.tensor([[1, 1]]), [2], [2], reduction="none") == math.inf
    assert F.ctc_loss(p, torch.tensor([[1, 1]]), [2], [2], zero_infinity=True) == 0
    with pytest.raises(RuntimeError, match="input_lengths"):
        F.ctc_loss(p, torch.tensor([[1, 1]]), [3], [2])
    with pytest.raises(RuntimeError, match="blank"):
        F.ctc_loss(p, torch.tensor([[1, 1]]), [2], [2], blank=3)
    with pytest.raises(RuntimeError, match="labels"):
        F.ctc_loss(p, torch.tensor([[1, 7]]), [2], [2]).item()


# Images at positions.

MODES = [
    (m, p, a)
    for m in ("bilinear", "nearest", "bicubic")
    for p in ("zeros", "border", "reflection")
    for a in (False, True)
]


@pytest.mark.parametrize(("mode", "padding", "align"), MODES)
def test_the_identity_reads_the_image_itself(mode, padding, align):
    x = values(2, 3, 4, 5)
    theta = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]] * 2, dtype=torch.float64)
    grid = F.affine_grid(theta, x.shape, align)
    close(F.grid_sample(x, grid, mode, padding, align), x.detach().numpy())


@pytest.mark.parametrize(("mode", "padding", "align"), MODES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 2, 3, 4), (1, 2, 5, 2)], ids=str)
def test_derivatives_of_reading_at_positions(shape, mode, padding, align):
    rng = np.random.default_rng(5)
    x = values(*shape)
    grid = torch.from_numpy(rng.uniform(-1.7, 1.7, (shape[0], 2, 3, 2))).requires_grad_()
    assert gradcheck(lambda x, g: F.grid_sample(x, g, mode, padding, align), (x, grid))


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_volumes_are_read_at_positions(mode):
    x = values(1, 2, 2, 3, 4)
    theta = torch.eye(3, 4, dtype=torch.float64).unsqueeze(0)
    close(F.grid_sample(x, F.affine_grid(theta, x.shape), mode), x.detach().numpy())
    grid = torch.from_numpy(np.random.default_rng(1).uniform(-1.2, 1.2, (1, 2, 1, 2, 3)))
    assert gradcheck(lambda x, g: F.grid_sample(x, g, mode), (x, grid.requires_grad_()))


def test_between_two_pixels_lies_their_mean():
    x = torch.tensor([[[[1.0, 3.0]]]])
    grid = torch.tensor([[[[0.0, 0.0], [-1.0, 0.0], [3.0, 0.0], [math.nan, 0.0]]]])
    assert F.grid_sample(x, grid, align_corners=True).tolist()[0][0][0][:3] == [2, 1, 0]
    assert F.grid_sample(x, grid, "nearest", "border").tolist()[0][0][0][1:3] == [1, 3]


def test_affine_grids_have_derivatives():
    assert gradcheck(lambda t: F.affine_grid(t, (2, 1, 3, 2)), (values(2, 2, 3),))
    with pytest.raises(ValueError, match="2x3"):
        F.affine_grid(values(2, 3, 3), (2, 1, 3, 2))


# Pools, distances.


def test_pools_at_random_steps_take_samples():
    x = values(1, 2, 6, 7)
    samples = torch.tensor([[[0.3, 0.7], [0.6, 0.1]]], dtype=torch.float64)
    out, at = F.fractional_max_pool2d(
        x, 2, output_size=(3, 4), return_indices=True, _random_samples=samples
    )
    assert out.shape == (1, 2, 3, 4)
    close(out, x.flatten(2).gather(2, at.flatten(2)).reshape(1, 2, 3, 4).detach().numpy())
    # Rows begin where the second sample says: (i + u)*alpha - u*alpha, whole parts.
    alpha = (6 - 2) / (3 - 1)
    rows = [int((i + 0.7) * alpha) - int(0.7 * alpha) for i in range(2)] + [4]
    for i, row in enumerate(rows):
        assert (at[0, 0, i] // 7 >= row).all() and (at[0, 0, i] // 7 <= row + 1).all()
    assert gradcheck(lambda x: F.fractional_max_pool2d(x, 2, (3, 4), _random_samples=samples), (x,))
    assert F.fractional_max_pool3d(values(2, 5, 5, 5), 2, output_ratio=0.5).shape == (2, 2, 2, 2)


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.5, math.inf])
def test_distances_of_all_pairs(p):
    x = values(4, 3)
    a = x.detach().numpy()
    want = [np.linalg.norm(a[i] - a[j], p) for i in range(4) for j in range(i + 1, 4)]
    close(F.pdist(x, p), want)
    assert gradcheck(lambda x: F.pdist(x, p), (x,))

"""Batch normalization folded into the layer before it computes what both did."""

import pytest

import ballast as torch
from ballast import nn
from ballast.nn.utils.fusion import fuse_conv_bn_eval

SHAPES = {1: (2, 12, 5), 2: (2, 12, 5, 4), 3: (1, 12, 3, 3, 3)}


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("transpose", [False, True])
def test_convolutions_in_groups_take_batch_norm_in(rank, groups, transpose):
    torch.manual_seed(groups)
    name = f"ConvTranspose{rank}d" if transpose else f"Conv{rank}d"
    conv = getattr(nn, name)(12, 18, 3, padding=1, groups=groups).eval()
    norm = getattr(nn, f"BatchNorm{rank}d")(18).eval()
    with torch.no_grad():
        for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            t.uniform_(0.5, 2)
        x = torch.randn(SHAPES[rank])
        fused = fuse_conv_bn_eval(conv, norm, transpose=transpose)
        assert torch.allclose(fused(x), norm(conv(x)), atol=1e-4)

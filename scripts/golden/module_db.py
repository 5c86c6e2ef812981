"""Writes tests/golden/module_db.npz: what PyTorch's layers compute on PyTorch's own test samples.

Run with a Python that has PyTorch and what its test helpers import (expecttest, pytest):

    python scripts/golden/module_db.py

A sample is a constructor call and a forward call out of torch.testing's module database, or out of
EXTRA below for layers that the database lacks; in training and in evaluation mode, in float32.
Parameters and buffers are filled with seeded numbers. Stored are the calls, parameters and buffers,
the output, the gradients of inputs and parameters (of the output weighted by seeded numbers) and the
buffers afterwards. Tensors are pieces of a few flat arrays, equal ones shared; `samples` is JSON.
"""

import hashlib
import json
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.testing._internal.common_modules import FunctionInput, ModuleInput, module_db

OUTPUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "module_db.npz"
LARGEST = 6000  # elements of a sample's forward inputs and parameters
# Of the database, all but what depends on random windows, and CTC loss.
SKIPPED = {"CTCLoss", "FractionalMaxPool2d", "FractionalMaxPool3d", "LinearCrossEntropyLoss"}


class Store:
    """Tensors as pieces of one flat array per type."""

    def __init__(self):
        self.arrays = {}
        self.sizes = {}
        self.known = {}

    def add(self, t: torch.Tensor) -> dict:
        array = t.detach().contiguous().numpy().copy()
        kind = str(array.dtype)
        key = hashlib.sha256(kind.encode() + array.tobytes()).digest()
        if key not in self.known:
            self.known[key] = self.sizes.get(kind, 0)
            self.arrays.setdefault(kind, []).append(array.reshape(-1))
            self.sizes[kind] = self.known[key] + array.size
        return {"tensor": [kind, self.known[key], list(array.shape)]}

    def encode(self, value):
        """As JSON; tuples and tensors become dictionaries. Raises TypeError for what has no form."""
        if isinstance(value, torch.Tensor):
            return {**self.add(value), "grad": value.requires_grad}
        if isinstance(value, PackedSequence):
            return {"packed": [self.encode(v) for v in value]}
        if isinstance(value, tuple):
            return {"tuple": [self.encode(v) for v in value]}
        if isinstance(value, list):
            return [self.encode(v) for v in value]
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, nn.TransformerEncoderLayer):
            return {"encoder_layer": encoder_options(value)}
        if getattr(nn.functional, getattr(value, "__name__", ""), None) is value:
            return {"function": value.__name__}
        raise TypeError(type(value).__name__)


def encoder_options(layer: nn.TransformerEncoderLayer) -> list:
    """List the arguments that make such a layer."""
    attention = layer.self_attn
    return [
        *(attention.embed_dim, attention.num_heads, layer.linear1.out_features, layer.dropout.p),
        *("gelu" if layer.activation is nn.functional.gelu else "relu", layer.norm1.eps),
        *(attention.batch_first, layer.norm_first, attention.in_proj_bias is not None),
    ]


def seeded(shape, seed: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def fill(module: nn.Module) -> None:
    with torch.no_grad():
        for i, (name, p) in enumerate(module.named_parameters()):
            p.copy_(seeded(p.shape, i))
            if "norm" in type(module).__name__.lower() and name == "weight":
                p.add_(1.5)
        for i, (name, b) in enumerate(module.named_buffers()):
            if name in ("running_mean", "running_var"):
                b.copy_(seeded(b.shape, 100 + i) + (1.5 if name == "running_var" else 0))


def tensors(value) -> list:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors(v)]
    return []


def clone(value):
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, PackedSequence):
        return PackedSequence(*(clone(v) for v in value))
    if isinstance(value, (tuple, list)):
        return type(value)(clone(v) for v in value)
    return value


def record(store: Store, cls, made: FunctionInput, called: FunctionInput, training: bool) -> dict:
    torch.manual_seed(0)
    module = cls(*clone(made.args), **{k: clone(v) for k, v in made.kwargs.items()})
    lazy = isinstance(module, nn.modules.lazy.LazyModuleMixin)
    args, kwargs = clone(called.args), {k: clone(v) for k, v in called.kwargs.items()}
    if lazy:
        with torch.no_grad():
            module(*args, **kwargs)
    fill(module)
    module.train(training)
    out = {
        "name": cls.__name__,
        "training": training,
        "made": [store.encode(made.args), {k: store.encode(v) for k, v in made.kwargs.items()}],
        "called": [store.encode(args), {k: store.encode(v) for k, v in kwargs.items()}],
        "state": {k: store.add(v) for k, v in module.state_dict().items()},
        "first": lazy,
    }
    size = sum(t.numel() for t in tensors(args)) + sum(p.numel() for p in module.parameters())
    if size > LARGEST:
        raise OverflowError(size)
    torch.manual_seed(1)
    result = module(*args, **kwargs)
    results = tensors(result)
    out["results"] = [store.add(t) for t in results]
    differentiable = [(i, t) for i, t in enumerate(results) if t.requires_grad]
    if differentiable:
        seeds = [seeded(t.shape, 1000 + i) for i, t in differentiable]
        torch.autograd.backward([t for _, t in differentiable], seeds)
        out["seeds"] = {str(i): store.add(s) for (i, _), s in zip(differentiable, seeds)}
    leaves = tensors(args) + [t for v in kwargs.values() for t in tensors(v)]
    out["gradients"] = [None if t.grad is None else store.add(t.grad) for t in leaves]
    out["parameters"] = {
        k: None if p.grad is None else store.add(p.grad) for k, p in module.named_parameters()
    }
    out["buffers"] = {k: store.add(b) for k, b in module.named_buffers()}
    return out


def x(*shape, seed=7, grad=True, scale=1.0):
    return (seeded(shape, seed) * scale).requires_grad_(grad)


def made(*args, **kwargs):
    return FunctionInput(*args, **kwargs)


def extra() -> list:
    """(class, constructor call, forward call) for layers that the database lacks."""
    image, volume, line = (2, 4, 6, 5), (2, 4, 3, 4, 5), (2, 4, 7)
    cases = []

    def add(cls, constructor, *inputs, **kwargs):
        cases.append((cls, constructor, FunctionInput(*inputs, **kwargs)))

    for p in (0.0, 0.3, 1.0):
        add(nn.Dropout, made(p), x(3, 5))
        add(nn.Dropout1d, made(p), x(*line))
        add(nn.Dropout2d, made(p), x(*image))
        add(nn.Dropout3d, made(p), x(*volume))
        add(nn.AlphaDropout, made(p), x(3, 5))
        add(nn.FeatureAlphaDropout, made(p), x(*image))
    add(nn.Dropout1d, made(0.5), x(4, 7))
    add(nn.RReLU, made(), x(3, 5))
    add(nn.RReLU, made(0.2, 0.4), x(3, 5))
    for lazy, size in (
        (nn.LazyBatchNorm1d, line),
        (nn.LazyBatchNorm2d, image),
        (nn.LazyBatchNorm3d, volume),
        (nn.LazyInstanceNorm1d, line),
        (nn.LazyInstanceNorm2d, image),
        (nn.LazyInstanceNorm3d, volume),
    ):
        add(lazy, made(), x(*size))
        add(lazy, made(1e-3, 0.3, True, True), x(*size))
    add(nn.LazyLinear, made(3), x(2, 5))
    add(nn.LazyLinear, made(3, bias=False), x(2, 3, 5))
    add(nn.SyncBatchNorm, made(4), x(*image))
    add(nn.SyncBatchNorm, made(4, momentum=None, affine=False), x(2, 4))
    for cls, rank in ((nn.Conv1d, 1), (nn.Conv2d, 2), (nn.Conv3d, 3)):
        size = (2, 4, 6, 5, 7)[: rank + 2]
        for mode in ("zeros", "reflect", "replicate", "circular"):
            add(cls, made(4, 6, 3, padding=1, padding_mode=mode, groups=2), x(*size))
            add(cls, made(4, 2, 2, padding="same", padding_mode=mode), x(*size))
            add(cls, made(4, 2, 3, padding="same", dilation=2, padding_mode=mode), x(*size))
        add(cls, made(4, 4, 3, stride=2, padding="valid", bias=False, groups=4), x(*size))
    for cls, rank in ((nn.ConvTranspose1d, 1), (nn.ConvTranspose2d, 2), (nn.ConvTranspose3d, 3)):
        size = (2, 4, 3, 4, 3)[: rank + 2]
        add(cls, made(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), x(*size))
        add(cls, made(4, 2, 2, stride=3, bias=False), x(*size))
        add(cls, made(4, 4, 3, dilation=2, groups=4, padding=2), x(*size))
        add(cls, made(4, 2, 3, stride=2, padding=1), x(*size[1:]))
    add(nn.ConvTranspose2d, made(4, 2, 3, stride=2), x(2, 4, 3, 3), output_size=(8, 8))
    for cls, size in ((nn.MaxPool1d, line), (nn.MaxPool2d, image), (nn.MaxPool3d, volume)):
        add(cls, made(2, 1, 1, return_indices=True), x(*size))
        add(cls, made(2, stride=2, dilation=2, ceil_mode=True), x(*size))
        add(cls, made(3, stride=2, padding=1, ceil_mode=True), x(*size))
    for cls, size in ((nn.AvgPool1d, line), (nn.AvgPool2d, image), (nn.AvgPool3d, volume)):
        for ceil in (False, True):
            for counted in (False, True):
                add(cls, made(3, 2, 1, ceil, counted), x(*size))
    for cls, size in (
        (nn.AdaptiveMaxPool1d, line),
        (nn.AdaptiveMaxPool2d, image),
        (nn.AdaptiveMaxPool3d, volume),
    ):
        add(cls, made(2, return_indices=True), x(*size))
    for cls, pool, size in (
        (nn.MaxUnpool1d, nn.MaxPool1d, (2, 3, 8)),
        (nn.MaxUnpool2d, nn.MaxPool2d, (2, 3, 6, 4)),
        (nn.MaxUnpool3d, nn.MaxPool3d, (2, 3, 4, 6, 2)),
    ):
        values, indices = pool(2, 2, return_indices=True)(x(*size, grad=False))
        add(cls, made(2, 2), values.clone().requires_grad_(), indices)
        larger = torch.Size([n + 1 for n in size[2:]])
        add(cls, made(2), values.clone().requires_grad_(), indices, output_size=tuple(larger))
    for mode, size in (
        ("nearest", line),
        ("nearest", image),
        ("nearest", volume),
        ("nearest-exact", image),
        ("linear", line),
        ("bilinear", image),
        ("bicubic", image),
        ("trilinear", volume),
        ("area", image),
    ):
        corners = [None] if mode in ("nearest", "nearest-exact", "area") else [None, False, True]
        for align in corners:
            add(nn.Upsample, made(None, 2, mode, align), x(*size))
            add(nn.Upsample, made(None, 1.7, mode, align), x(*size))
            add(nn.Upsample, made(None, 1.3, mode, align, True), x(*size))
            add(nn.Upsample, made(4, None, mode, align), x(*size))
    add(nn.UpsamplingNearest2d, made(scale_factor=3), x(*image))
    add(nn.UpsamplingBilinear2d, made(scale_factor=2), x(*image))
    add(nn.UpsamplingBilinear2d, made((7, 3)), x(*image))
    add(nn.PixelShuffle, made(2), x(2, 8, 3, 2))
    add(nn.PixelUnshuffle, made(2), x(2, 2, 4, 6))
    add(nn.ChannelShuffle, made(2), x(*image))
    for options in ({}, {"dilation": 2, "padding": 2, "stride": 2}, {"padding": (1, 0)}):
        unfold = nn.Unfold((3, 2), **options)
        add(nn.Unfold, made((3, 2), **options), x(*image))
        add(nn.Fold, made((6, 5), (3, 2), **options), x(*unfold(x(*image)).shape))
    add(nn.Flatten, made(), x(2, 3, 4))
    add(nn.Flatten, made(0, 1), x(2, 3, 4))
    add(nn.Unflatten, made(1, (2, 2)), x(2, 4, 3))
    add(nn.Unflatten, made(-1, (-1, 2)), x(2, 4))
    add(nn.Identity, made(54, unused=0.1), x(2, 3))
    add(nn.CosineSimilarity, made(), x(3, 5), x(3, 5, seed=8))
    add(nn.CosineSimilarity, made(0, 1e-3), x(3, 5), x(3, 5, seed=8))
    for p in (1.0, 2.0, 3.0):
        add(nn.PairwiseDistance, made(p, keepdim=p > 2), x(3, 5), x(3, 5, seed=8))
    for reduction in ("mean", "sum", "none"):
        for swap in (False, True):
            add(
                nn.TripletMarginLoss,
                made(1.0, 2.0, swap=swap, reduction=reduction),
                x(3, 5),
                x(3, 5, seed=8),
                x(3, 5, seed=9),
            )
            add(
                nn.TripletMarginWithDistanceLoss,
                made(swap=swap, reduction=reduction),
                x(3, 5),
                x(3, 5, seed=8),
                x(3, 5, seed=9),
            )
    words = torch.tensor([[1, 2, 0, 1], [4, 1, 2, 2]])
    add(nn.Embedding, made(5, 3, padding_idx=1), words)
    add(nn.Embedding, made(5, 3, scale_grad_by_freq=True), words)
    add(nn.Embedding, made(5, 3, max_norm=0.7), words)
    for mode in ("sum", "mean", "max"):
        add(nn.EmbeddingBag, made(5, 3, mode=mode), words)
        add(nn.EmbeddingBag, made(5, 3, mode=mode, padding_idx=1), words)
        add(nn.EmbeddingBag, made(5, 3, mode=mode), words.reshape(-1), torch.tensor([0, 3, 3]))
    add(nn.EmbeddingBag, made(5, 3, mode="sum"), words, None, x(2, 4))
    add(nn.GELU, made("tanh"), x(3, 5))
    add(nn.PReLU, made(4), x(*image))
    return cases


def samples():
    """(class, constructor call, forward call, training)"""
    for training in (True, False):
        for info in module_db:
            if info.module_cls.__name__ in SKIPPED:
                continue
            torch.manual_seed(0)
            for sample in info.module_inputs_func(
                info, device="cpu", dtype=torch.float32, requires_grad=True, training=training
            ):
                assert isinstance(sample, ModuleInput)
                yield info.module_cls, sample.constructor_input, sample.forward_input, training
        for case in extra():
            yield (*case, training)


def main() -> None:
    store, out, left = Store(), [], {}
    for cls, constructor, forward, training in samples():
        try:
            out.append(record(store, cls, constructor, forward or FunctionInput(), training))
        except (TypeError, OverflowError) as e:
            left.setdefault(cls.__name__, []).append(f"{type(e).__name__} {e}")
    arrays = {k: np.concatenate(v) for k, v in store.arrays.items()}
    text = json.dumps({"samples": out, "left_out": left}, separators=(",", ":"))
    arrays["samples"] = np.frombuffer(text.encode(), np.uint8)
    np.savez_compressed(OUTPUT, **arrays)
    print(len(out), "samples,", OUTPUT.stat().st_size, "bytes; left out:", left)


if __name__ == "__main__":
    main()

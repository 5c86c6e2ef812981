"""Writes tests/golden/norms.json: what normalization layers compute in PyTorch, step by step.

Run with a Python that has PyTorch, torchvision and NumPy:

    python scripts/golden/norms.py

A case is five training steps of a layer and one in evaluation. Weight and bias hold uniform(shape, 1) and
uniform(shape, 2), buffers of a frozen layer uniform(shape, 3) and uniform(shape, 4) + 2; step i reads
uniform(shape, 10 + i), shifted and stretched by i/2 so that the statistics move; gradients are those of the
sum of the result weighted by uniform(shape, 99). All in float64. Virtual batches and batch renormalization,
which PyTorch lacks, are written down here with its operations.
"""

import json
import pathlib

import torch
from layers import numbers, uniform
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

OUTPUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "norms.json"


class Ghost(nn.Module):
    """One batch normalization layer, called on one virtual batch after the other."""

    def __init__(self, channels: int, sizes: list, rank: int, momentum):
        super().__init__()
        kind = nn.BatchNorm2d if rank == 4 else nn.BatchNorm1d
        self.norm = kind(channels, momentum=momentum)
        self.sizes = sizes

    def forward(self, x):
        if not self.training:
            return self.norm(x)
        return torch.cat([self.norm(part) for part in x.split(self.sizes)])


class Renorm(nn.Module):
    """Algorithm 1 of arXiv:1702.03275, keeping the unbiased variance."""

    def __init__(self, channels: int, momentum: float, limits: dict):
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.empty(channels)),
            nn.Parameter(torch.empty(channels)),
        )
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.seen, self.momentum, self.limits, self.eps = 0, momentum, limits, 1e-5

    def limit(self, low: float, high: float, end: int) -> float:
        start = self.limits["start"]
        return low + (high - low) * min(max((self.seen - start) / (end - start), 0), 1)

    def forward(self, x):
        dims = [d for d in range(x.dim()) if d != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        wide = lambda t: t.reshape(shape)  # noqa: E731
        mean, sigma = wide(self.running_mean), wide(self.running_var + self.eps).sqrt()
        if not self.training:
            return (x - mean) / sigma * wide(self.weight) + wide(self.bias)
        r_max = self.limit(1, self.limits["r_max"], self.limits["r_end"])
        d_max = self.limit(0, self.limits["d_max"], self.limits["d_end"])
        batch = x.mean(dims, keepdim=True)
        deviation = (((x - batch) ** 2).mean(dims, keepdim=True) + self.eps).sqrt()
        r = (deviation / sigma).clamp(1 / r_max, r_max).detach()
        d = ((batch - mean) / sigma).clamp(-d_max, d_max).detach()
        with torch.no_grad():
            self.seen += 1
            f = self.momentum
            self.running_mean.copy_((1 - f) * self.running_mean + f * batch.flatten())
            var = x.transpose(0, 1).flatten(1).var(1)
            self.running_var.copy_((1 - f) * self.running_var + f * var)
        return ((x - batch) / deviation * r + d) * wide(self.weight) + wide(self.bias)


def case(layer: nn.Module, shape: tuple, **options) -> dict:
    """Five training steps, then evaluation."""
    layer.double()
    tensors = {k.split(".")[-1]: v for k, v in layer.state_dict().items()}
    with torch.no_grad():
        for seed, name in enumerate(("weight", "bias"), start=1):
            if name in tensors:
                tensors[name].copy_(uniform(tensors[name].shape, seed))
        if isinstance(layer, FrozenBatchNorm2d):
            layer.running_mean.copy_(uniform((shape[1],), 3))
            layer.running_var.copy_(uniform((shape[1],), 4) + 2)
    steps = []
    for step in range(6):
        layer.train(step < 5)
        layer.zero_grad()
        x = (uniform(shape, 10 + step) * (1 + step / 2) + step / 2).requires_grad_()
        y = layer(x)
        (y * uniform(shape, 99)).sum().backward()
        grads = {k.split(".")[-1]: numbers(p.grad) for k, p in layer.named_parameters()}
        buffers = {k.split(".")[-1]: numbers(b) for k, b in layer.named_buffers()}
        steps.append(
            {"y": numbers(y), "x_grad": numbers(x.grad), "grads": grads, "buffers": buffers}
        )
    return {"shape": list(shape), "options": options, "print": str(layer), "steps": steps}


def main() -> None:
    limits = {"r_max": 1.5, "d_max": 0.75, "start": 1, "r_end": 4, "d_end": 3}
    wide = {"r_max": 1e6, "d_max": 1e6, "start": -1, "r_end": 0, "d_end": 0}
    image, table = (4, 4, 1, 3), (7, 3)
    norms = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
    groups = {
        "group": [case(nn.GroupNorm(g, 4), image, groups=g) for g in (1, 2)],
        "layer": [case(nn.LayerNorm(s), image, normalized_shape=s) for s in ([3], [4, 1, 3])],
        "instance": [
            case(
                norms[len(shape) - 3](shape[1], affine=a, track_running_stats=t, momentum=0.3),
                shape,
                affine=a,
                track=t,
            )
            for shape in ((3, 2, 5), image, (2, 3, 2, 2, 2))
            for a, t in ((False, False), (True, False), (True, True))
        ],
        "frozen": [case(FrozenBatchNorm2d(4), image)],
        "ghost": [
            case(Ghost(s[1], sizes, len(s), m), s, virtual_batch=v, momentum=m)
            for s, v, sizes in (
                (image, 2, [2, 2]),
                (image, 3, [2, 2]),
                (image, 1, [1, 1, 1, 1]),
                (image, 9, [4]),
                (table, 3, [3, 2, 2]),
                ((5, 3, 2), 2, [2, 2, 1]),
            )
            for m in (0.1, None)
        ],
        "renorm": [
            case(Renorm(s[1], m, chosen), s, momentum=m, limits=chosen)
            for s in (image, table, (5, 3, 2))
            for m, chosen in ((0.1, limits), (0.3, wide))
        ],
    }
    lines = [
        f'"{name}": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]"
        for name, cases in groups.items()
    ]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

"""Builds networks by chance and compares what they compute.

Each network has a batch-norm user's layers (convolutions with groups, strides and dilation, batch
norm, activations in place or not, pools, residual sums, concatenations, views, linear layers,
frozen parts, evaluation mode). Outputs, gradients of inputs and parameters, and running statistics
are compared: Ballast's fast paths in float32 and float64 against its reference kernels in float64,
and with ``--torch PYTHON`` against PyTorch in that interpreter.

Float64 has to agree to 1e-9 of the largest value. Float32 is allowed the error that rounding the
inputs alone makes: a hundred times the difference that the reference kernels show between float32
and float64, or 2e-4 of the largest value where that is more.
"""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from support import Campaign, options

CHUNK = 25  # networks to a process


def build(torch, seed: int, dtype):
    """A network with its input, made from the seed alone; the same for every library."""
    nn, functional, rng = torch.nn, torch.nn.functional, random.Random(seed)
    torch.manual_seed(seed)
    size, channels = rng.choice([5, 6, 8, 9]), rng.choice([1, 2, 3, 4])
    batch = rng.choice([2, 3, 5, 8])

    def activation():
        inplace = rng.random() < 0.5
        kinds = [nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.Hardtanh, nn.Hardswish, nn.ELU]
        return rng.choice(kinds)(inplace=inplace) if rng.random() < 0.8 else nn.Tanh()

    def norm(c):
        kind = rng.random()
        if kind < 0.8:
            momentum = rng.choice([0.1, 0.3, None])
            return nn.BatchNorm2d(
                c, eps=rng.choice([1e-5, 1e-3]), momentum=momentum, affine=rng.random() < 0.85,
                track_running_stats=rng.random() < 0.9,
            )  # fmt: skip
        return nn.GroupNorm(1, c) if kind < 0.9 else nn.Identity()

    def conv(cin, cout, stride=1):
        kernel = rng.choice([1, 3, 3, 5])
        groups = rng.choice([g for g in (1, 1, 2, 4, cin) if cin % g == 0 and cout % g == 0])
        dilation = rng.choice([1, 1, 2]) if kernel > 1 else 1
        return nn.Conv2d(
            cin, cout, kernel, stride=stride, padding=dilation * (kernel // 2), dilation=dilation,
            groups=groups, bias=rng.random() < 0.4,
        )  # fmt: skip

    class Net(nn.Module):
        """Stages, and how they are joined."""

        def __init__(self):
            super().__init__()
            self.steps, c = [], channels
            layers = []
            for _ in range(rng.randint(1, 5)):
                kind = rng.choice(["plain", "plain", "residual", "concat", "pool", "view", "split"])
                if kind == "plain":
                    out = rng.choice([2, 4, 6, 8])
                    layers.append(
                        nn.Sequential(conv(c, out, rng.choice([1, 1, 2])), norm(out), activation())
                    )
                    c = out
                elif kind == "residual":
                    layers.append(
                        nn.Sequential(conv(c, c), norm(c), activation(), conv(c, c), norm(c))
                    )
                elif kind == "concat":
                    out = rng.choice([2, 4])
                    layers.append(nn.Sequential(norm(c), activation(), conv(c, out)))
                    c += out
                elif kind == "pool":
                    pool = rng.choice([nn.MaxPool2d, nn.AvgPool2d])
                    layers.append(pool(3, stride=rng.choice([1, 2]), padding=1))
                elif kind == "view":
                    layers.append(nn.Sequential(norm(c), activation()))
                else:
                    layers.append(nn.Sequential(conv(c, 2 * c), norm(2 * c)))
                self.steps.append(kind)
            self.layers = nn.ModuleList(layers)
            self.bn = nn.BatchNorm1d(c)
            self.head = nn.Linear(c, rng.choice([1, 3, 7]))

        def forward(self, x):
            for kind, layer in zip(self.steps, self.layers, strict=True):
                if kind == "residual":
                    x = functional.relu(layer(x) + x)
                elif kind == "concat":
                    # An activation in place must not change what is concatenated.
                    x = torch.cat([x, layer(x * 1)], 1)
                elif kind == "view":
                    n, c, h, w = x.shape
                    x = layer(x.reshape(n, c, w, h)).transpose(2, 3)
                elif kind == "split":
                    a, b = layer(x).chunk(2, dim=1)
                    x = a * torch.sigmoid(b)
                else:
                    x = layer(x)
            return self.head(self.bn(x.mean(dim=(2, 3))))

    net = Net()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    for p in net.parameters():
        if rng.random() < 0.15:
            p.requires_grad_(False)
    x = torch.randn(batch, channels, size, size)
    return net.to(dtype), x.to(dtype).requires_grad_(rng.random() < 0.7), rng


def compute(torch, seed: int, precision: str) -> dict:
    """Everything that the network of the seed gives, as arrays in float64."""
    net, x, rng = build(torch, seed, getattr(torch, precision))
    for module in net.modules():  # parts in evaluation, as frozen ones are
        if isinstance(module, torch.nn.BatchNorm2d) and rng.random() < 0.15:
            module.eval()
    results = {}
    for step in range(2):
        net.zero_grad()
        x.grad = None
        y = net(x)
        loss = (y * y).mean() + y.sum() / y.numel()
        if loss.requires_grad:
            loss.backward()
        results[f"output {step}"] = y
        for name, p in [("x", x), *net.named_parameters()]:
            if p.grad is not None:
                results[f"gradient of {name} {step}"] = p.grad.clone()
        with torch.no_grad():
            for p in net.parameters():
                if p.grad is not None:
                    p -= 0.05 * p.grad
    net.eval()
    results["evaluated"] = net(x)
    for name, b in net.named_buffers():
        results[f"buffer {name}"] = b
    return {k: v.detach().to(torch.float64).numpy().copy() for k, v in results.items()}


def child(library: str, precision: str, seeds: list[int], path: str) -> None:
    """Compute networks and leave the results in a file. What a process of its own does."""
    if library == "torch":
        import torch
    else:
        import ballast.torch

        ballast.torch.install()
        import torch
    results = {}
    for seed in seeds:
        try:
            results[seed] = compute(torch, seed, precision)
        except Exception as e:  # noqa: BLE001 (a finding, told with the others)
            results[seed] = f"{type(e).__name__}: {e}"
    with open(path, "wb") as file:
        pickle.dump(results, file)


def computed(
    python: str, library: str, precision: str, seeds: list[int], **environment: str
) -> dict:
    """Results of a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results"
        command = [python, __file__, "--child", library, precision, ",".join(map(str, seeds)), path]
        done = subprocess.run(
            [str(word) for word in command],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            return {s: f"process ended with {done.returncode}: {done.stderr[-300:]}" for s in seeds}
        return pickle.loads(path.read_bytes())


def largest_difference(a, b) -> float:
    """The largest difference of two arrays, relative to the largest value."""
    if a.shape != b.shape:
        return float("inf")
    if a.size == 0:
        return 0.0
    return float(abs(a - b).max() / max(1.0, abs(b).max()))


def compare(campaign: Campaign, seed: int, what: str, got, expected, bound) -> None:
    """Compare two results; ``bound`` gives what is allowed by name."""
    if isinstance(got, str) or isinstance(expected, str):
        # Both may refuse a network, such as one that writes to a leaf, in words of their own.
        told = [r if isinstance(r, str) else "fine" for r in (got, expected)]
        kinds = {t.split(":")[0] for t in told}
        campaign.case(len(kinds) == 1, f"network {seed}, {what}: {' / '.join(told)}")
        return
    if not campaign.case(got.keys() == expected.keys(), f"network {seed}, {what}: other results"):
        return
    worst = max((largest_difference(got[k], expected[k]) / bound(k), k) for k in got)
    campaign.case(
        worst[0] <= 1, f"network {seed}, {what}: {worst[1]} is off {worst[0]:.3g} times too far"
    )


def main() -> int:
    """Run the campaign."""
    if "--child" in sys.argv:
        library, precision, seeds, path = sys.argv[2:]
        child(library, precision, [int(s) for s in seeds.split(",")], path)
        return 0
    o = options(
        __doc__,
        python={"default": sys.executable, "help": "a Python that has ballast"},
        torch={"default": None, "metavar": "PYTHON", "help": "a Python that has PyTorch"},
        networks={"type": int, "default": 0, "help": "how many (default 1000 in full, else 50)"},
    )
    campaign = Campaign("networks", o.seed)
    count = o.networks or (1000 if o.full else 50)
    first = o.seed * 100_000
    for start in range(first, first + count, CHUNK):
        seeds = list(range(start, min(start + CHUNK, first + count)))
        slow = {"BALLAST_PLAN": "-fast"}
        reference = computed(o.python, "ballast", "float64", seeds, **slow)
        rounded = computed(o.python, "ballast", "float32", seeds, **slow)
        results = {
            ("fast", "float32"): computed(o.python, "ballast", "float32", seeds),
            ("fast", "float64"): computed(o.python, "ballast", "float64", seeds),
        }
        if o.torch:
            for precision in ("float32", "float64"):
                results["PyTorch", precision] = computed(o.torch, "torch", precision, seeds)
        for seed in seeds:
            exact, near = reference[seed], rounded[seed]

            def allowed(name: str, exact=exact, near=near) -> float:
                if isinstance(near, str):
                    return 2e-4
                return max(2e-4, 100 * largest_difference(near[name], exact[name]))

            for (who, precision), result in results.items():
                bound = allowed if precision == "float32" else (lambda _: 1e-9)
                compare(campaign, seed, f"{who} {precision}", result[seed], exact, bound)
    return campaign.end()


if __name__ == "__main__":
    sys.exit(main())

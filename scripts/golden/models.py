"""Writes tests/golden/models.json: networks as PyTorch and torchvision build and differentiate them.

Run with a Python that has PyTorch and torchvision:

    python scripts/golden/models.py

For every network, from manual_seed(0): checksums (CRC-32) of its state dict's names and shapes and of
its initial values. For some of them a training step on `images(size)` with labels 1, 3, 5: of loss,
logits, running statistics and gradients two numbers each, `digest(t)`, computed in float64. Of what the
forward pass computes a third number says how far PyTorch's own float32 is from there: the norm of the
difference over the norm. (Gradients in float32 jump where a rounding error moves a ReLU's input past 0.)

Networks that torchvision has not are those of python/ballast/models, run by PyTorch.
"""

import json
import sys
import zlib
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision.models as torchvision_models
from torchvision.models import vgg

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "tests/golden/models.json"
sys.path.insert(0, str(ROOT / "bench"))
from libraries import networks  # noqa: E402

OURS = networks("torch")
SMALL_DENSENET = {
    "growth_rate": 8,
    "block_config": (2, 3),
    "num_init_features": 12,
    "num_classes": 10,
    "small_images": True,
}
# Built and differentiated: what builds them, and the size of their images.
STEPS = {
    "resnet18": (torchvision_models.resnet18, 32),
    "resnet50": (torchvision_models.resnet50, 32),
    "vgg11_bn": (torchvision_models.vgg11_bn, 32),
    "mobilenet_v2": (torchvision_models.mobilenet_v2, 32),
    "densenet121": (torchvision_models.densenet121, 32),
    "resnet20": (OURS.resnet20, 16),
    "densenet_small": (lambda: OURS.DenseNet(**SMALL_DENSENET), 16),
}
BUILT = {name: make for name, (make, _) in STEPS.items()} | {
    "resnet34": torchvision_models.resnet34,
    "resnet101": torchvision_models.resnet101,
    "resnet32": OURS.resnet32,
    "resnet44": OURS.resnet44,
    "resnet56": OURS.resnet56,
    "resnet110": OURS.resnet110,
}
# Too large to be filled with numbers in a test: names and shapes alone, and VGG's convolutions.
NAMED = (
    "resnet152",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "densenet161",
    "densenet169",
    "densenet201",
    *(f"vgg{n}{bn}" for n in (11, 13, 16, 19) for bn in ("", "_bn")),
)
FEATURES = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}


def pattern(count: int) -> torch.Tensor:
    """Numbers in [-1, 1] without a generator."""
    return (torch.arange(count, dtype=torch.float64) * 7919 % 2003) / 1001 - 1


def images(size: int) -> torch.Tensor:
    return pattern(3 * 3 * size * size).reshape(3, 3, size, size)


def digest(t: torch.Tensor) -> list:
    """The norm, and the product with `pattern`."""
    v = t.detach().double().reshape(-1)
    return [v.norm().item(), (v @ pattern(v.numel())).item()]


def rounded_digest(t: torch.Tensor) -> list:
    return [float(f"{x:.9g}") for x in digest(t)]


def crc_of_names(state: dict) -> int:
    lines = [f"{k} {'x'.join(map(str, v.shape))}\n" for k, v in state.items()]
    return zlib.crc32("".join(lines).encode())


def crc_of_values(state: dict) -> int:
    crc = 0
    for t in state.values():
        crc = zlib.crc32(t.numpy().tobytes(), crc)
    return crc


def step(make, size: int, dtype: torch.dtype) -> dict:
    torch.manual_seed(0)
    model = make().to(dtype)
    torch.manual_seed(1)  # for dropout
    logits = model(images(size).to(dtype))
    loss = F.cross_entropy(logits, torch.tensor([1, 3, 5]))
    loss.backward()
    out = {"loss": loss, "logits": logits}
    out |= {name: p.grad for name, p in model.named_parameters()}
    out |= {name: b for name, b in model.named_buffers() if b.is_floating_point()}
    return {name: t.detach().double() for name, t in out.items()}


def step_case(make, size: int) -> dict:
    exact = step(make, size, torch.float64)
    rounded = step(make, size, torch.float32)
    forward = {
        name: [*rounded_digest(t), float(f"{(rounded[name] - t).norm() / t.norm():.2g}")]
        for name, t in exact.items()
        if name in ("loss", "logits") or "running" in name
    }
    # Gradients that are zero but for rounding, of a bias before a batch norm, tell nothing.
    gradients = {n: t for n, t in exact.items() if n not in forward}
    largest = max(t.norm() for t in gradients.values())
    gradients = {n: rounded_digest(t) for n, t in gradients.items() if t.norm() > 1e-9 * largest}
    return {"size": size, "forward": forward, "gradients": gradients}


def named_case(name: str) -> int:
    with torch.device("meta"):
        return crc_of_names(getattr(torchvision_models, name)().state_dict())


def main() -> None:
    out = {"initial": {}, "steps": {}, "features": {}}
    for name, make in BUILT.items():
        torch.manual_seed(0)
        state = make().state_dict()
        out["initial"][name] = [crc_of_names(state), crc_of_values(state)]
    for name, cfg in FEATURES.items():
        for batch_norm in (False, True):
            torch.manual_seed(0)
            state = vgg.make_layers(vgg.cfgs[cfg], batch_norm=batch_norm).state_dict()
            key = name + ("_bn" if batch_norm else "")
            out["features"][key] = [crc_of_names(state), crc_of_values(state)]
    out["names"] = {name: named_case(name) for name in NAMED}
    for name, (make, size) in STEPS.items():
        out["steps"][name] = step_case(make, size)
    write(out)


def write(out: dict) -> None:
    groups = [
        f'"{group}": {{\n'
        + ",\n".join(f'"{k}": {json.dumps(v, separators=(",", ":"))}' for k, v in cases.items())
        + "\n}"
        for group, cases in out.items()
    ]
    OUTPUT.write_text("{\n" + ",\n".join(groups) + "\n}\n")


if __name__ == "__main__":
    main()

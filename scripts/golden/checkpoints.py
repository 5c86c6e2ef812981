"""Writes the checkpoints that tests/io and python/tests read, with PyTorch itself.

python scripts/golden/checkpoints.py    # under a Python that has PyTorch
"""

from collections import Counter, OrderedDict
from pathlib import Path

import torch
from torch import nn

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "checkpoints"


def tensors() -> dict[str, torch.Tensor]:
    """Make a tensor of every kind that is read."""
    base = torch.arange(24, dtype=torch.float32)
    return {
        "float32": base.reshape(2, 3, 4).clone(),
        "float64": torch.tensor([0.1, -1e300], dtype=torch.float64),
        "float16": torch.tensor([1.5, -(2.0**-24), 65504, torch.inf, -0.0], dtype=torch.float16),
        "bfloat16": torch.tensor([1.5, -3.140625, 2.0**127], dtype=torch.bfloat16),
        "int64": torch.tensor([-(2**62), 2**62]),
        "int32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
        "int16": torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
        "int8": torch.tensor([-128, 127], dtype=torch.int8),
        "uint8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "transposed": base.reshape(4, 6).t(),
        "slice": base[5:20:3],
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
        "channels_last": base.reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
        "shared": base,
        "shared_too": base.reshape(2, 12),
    }


def values() -> dict:
    """Make a value of every other kind."""
    parameter = nn.Parameter(torch.tensor([1.0, 2.0]))
    tensor = torch.ones(2, requires_grad=True)
    text = OrderedDict(größe="Maß", empty="")
    text._metadata = {"version": 2}
    return {
        "none": None,
        "bools": [True, False],
        "ints": (0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, -(2**63), 2**63 - 1),
        "floats": [0.1, -0.0, float("inf")],
        "text": text,
        "bytes": [b"", b"\x00\x7f\x80\xff"],
        "set": {1, 2},
        "counter": Counter({3: 2, 5: 1}),
        "size": torch.Size([2, 3]),
        "dtypes": [torch.float32, torch.int64, torch.bool],
        "device": torch.device("cpu"),
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "keys": {0: "int", None: "none", 1.5: "float", True: "bool"},
        "parameter": parameter,
        "parameter again": parameter,
        "requires_grad": tensor,
    }


def checkpoint() -> dict:
    """Train a small network for two steps and keep everything, as training scripts do."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 3])
    for _ in range(2):
        net(torch.randn(5, 3)).square().mean().backward()
        optimizer.step()
        scheduler.step()
    return {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": 3,
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    torch.save(tensors(), FOLDER / "tensors.pt")
    torch.save(tensors(), FOLDER / "tensors_legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"uint16": torch.tensor([1, 65535], dtype=torch.uint16)}, FOLDER / "uint16.pt")
    torch.save(values(), FOLDER / "values.pt")
    torch.save(values(), FOLDER / "values_legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(values(), FOLDER / "values_protocol4.pt", pickle_protocol=4)
    torch.save(checkpoint(), FOLDER / "adam.pt")
    torch.save(nn.Linear(2, 2), FOLDER / "module.pt")
    script = torch.jit.script(nn.Linear(2, 2))
    script.save(str(FOLDER / "torchscript.pt"))


if __name__ == "__main__":
    main()

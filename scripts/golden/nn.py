"""Writes tests/golden/nn.safetensors and nn.json: what PyTorch's modules start from and compute.

Run with a Python that has PyTorch:

    python scripts/golden/nn.py

The networks are made right after manual_seed(0). All of Net's and CustomModel's values are stored; of MyModel's
every seventh, in the order of its state dict.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from libraries import networks  # noqa: E402

FOLDER = ROOT / "tests/golden"
CustomModel, Net = networks("torch").CustomModel, networks("torch").Net


class MyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3)
        self.bn1 = nn.BatchNorm2d(64)
        self.fc1 = nn.Linear(64, 10)
        self.bn2 = nn.BatchNorm1d(10)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x))).mean((2, 3))
        return self.bn2(self.fc1(y))


class Zoo(nn.Module):
    """One of each layer, for the printed form."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(
            4, 8, (3, 2), stride=(2, 1), padding=1, dilation=2, groups=2, bias=False
        )
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, eps=1e-3, momentum=None, affine=False), nn.ReLU(), nn.ReLU6(),
            nn.LeakyReLU(), nn.Sigmoid(), nn.Tanh(), nn.GELU(), nn.SiLU(), nn.Softplus(), nn.Hardswish(), nn.ELU(),
            nn.Dropout(0.25), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d((3, 2)), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Identity(), nn.Softmax(1), nn.LogSoftmax(-1), nn.Linear(3, 4, bias=False), nn.CrossEntropyLoss(),
            nn.BatchNorm3d(2, track_running_stats=False),
        )  # fmt: skip


def main():
    tensors, order = {}, {}
    for cls, inputs in ((Net, (16, 10)), (CustomModel, (16, 64)), (MyModel, (4, 3, 8, 8))):
        torch.manual_seed(0)
        net = cls()
        state = net.state_dict()
        order[cls.__name__] = list(state)
        if cls is MyModel:
            every = torch.cat([v.reshape(-1).float() for v in state.values()])
            tensors["MyModel/every_seventh"] = every[::7].clone()
        else:
            for name, value in state.items():
                tensors[f"{cls.__name__}/{name}"] = value.clone()
        x = torch.rand(inputs)
        tensors[f"{cls.__name__}/train"] = net(x).detach()
        net.eval()
        tensors[f"{cls.__name__}/eval"] = net(x).detach()
    torch.manual_seed(0)
    w = torch.empty(12, 5, 3, 3)
    tensors["kaiming_uniform"] = (
        nn.init.kaiming_uniform_(w, nonlinearity="relu").flatten()[::9].clone()
    )
    tensors["kaiming_normal"] = nn.init.kaiming_normal_(w, mode="fan_out").flatten()[::9].clone()
    tensors["xavier_uniform"] = nn.init.xavier_uniform_(w, gain=2.0).flatten()[::9].clone()
    tensors["xavier_normal"] = nn.init.xavier_normal_(w).flatten()[::9].clone()
    write(FOLDER / "nn.safetensors", tensors)
    text = {"keys": order, "zoo": str(Zoo())}
    (FOLDER / "nn.json").write_text(json.dumps(text, indent=1) + "\n")


def write(path, tensors):
    """The published format, without the package of that name."""
    kinds = {torch.float32: "F32", torch.int64: "I64", torch.float64: "F64"}
    header, data = {}, b""
    for name, t in sorted(tensors.items(), key=lambda e: -e[1].element_size()):
        raw = t.contiguous().numpy().tobytes()
        header[name] = {
            "dtype": kinds[t.dtype],
            "shape": list(t.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


if __name__ == "__main__":
    main()

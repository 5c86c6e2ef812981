"""Golden training runs, made with real PyTorch: `python scripts/golden/training.py`.

Writes tests/golden/training.safetensors:
  net.losses, custom.losses      50 steps of Net and CustomModel from manual_seed(0), data drawn after the weights
  conv.STEP.state.NAME           a convolutional network's state before each of 50 steps
  conv.STEP.grad.NAME            the gradients of that step
  conv.STEP.after.NAME           its running statistics after the step's forward pass
  conv.losses                    the losses
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from libraries import networks  # noqa: E402

STEPS = 50
BATCH = 64
CustomModel, Net = networks("torch").CustomModel, networks("torch").Net


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 10)
        self.bn3 = nn.BatchNorm1d(10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1)))


def curve(model, features):
    x = torch.randn(BATCH * 5, features)
    y = torch.randint(0, 10, (BATCH * 5,))
    opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for step in range(STEPS):
        at = step % 5 * BATCH
        opt.zero_grad()
        loss = F.cross_entropy(model(x[at : at + BATCH]), y[at : at + BATCH])
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return torch.tensor(losses)


def conv_steps(out):
    torch.manual_seed(0)
    model = ConvNet()
    opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for step in range(STEPS):
        x = torch.randn(8, 3, 6, 6)
        y = torch.randint(0, 10, (8,))
        for name, t in model.state_dict().items():
            out[f"conv.{step}.state.{name}"] = t.clone()
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        for name, p in model.named_parameters():
            out[f"conv.{step}.grad.{name}"] = p.grad.clone()
        for name, t in model.named_buffers():
            out[f"conv.{step}.after.{name}"] = t.clone()
        opt.step()
        losses.append(loss.item())
    out["conv.losses"] = torch.tensor(losses)


def main():
    out = {}
    torch.manual_seed(0)
    out["net.losses"] = curve(Net(), 10)
    torch.manual_seed(0)
    out["custom.losses"] = curve(CustomModel(), 64)
    conv_steps(out)
    save_file(out, ROOT / "tests/golden/training.safetensors")


if __name__ == "__main__":
    main()

"""What the programs of this folder share: data made by a seed, and a loop that prints losses."""

import torch
from torch import nn


def images(count=64, channels=3, side=32, classes=4, seed=0):
    """Make images and labels, the same on every library that draws PyTorch's numbers."""
    torch.manual_seed(seed)
    x, y = torch.randn(count, channels, side, side), torch.randint(classes, (count,))
    return x + y.view(-1, 1, 1, 1) / 4, y


def network(channels=3, classes=4):
    """Make a small batch-normalized network of fixed weights."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, classes),
    )


def train(model, x, y, steps=10, batch=8, optimizer=None, loss=nn.functional.cross_entropy):
    """Train, printing the loss of every step."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for i in range(steps):
        at = [(i * batch + k) % len(x) for k in range(batch)]
        optimizer.zero_grad()
        value = loss(model(x[at]), y[at])
        value.backward()
        optimizer.step()
        show(value)


def show(*values):
    """Print numbers, as many digits as float32 has."""
    for value in values:
        value = value.detach() if isinstance(value, torch.Tensor) else torch.tensor(value)
        print(*(f"{v:.8g}" for v in value.double().reshape(-1).tolist()))

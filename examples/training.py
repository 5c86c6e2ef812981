"""What the example networks share: the digits as a network takes them, and a training loop."""

from __future__ import annotations

import numpy as np

import ballast as torch
import ballast.nn.functional as F
from ballast.data import digits
from ballast.utils.data import DataLoader, TensorDataset


def images(channels: int = 1) -> list[torch.Tensor]:
    """Training and test images, (N, channels, 8, 8): grey, repeated."""
    return [torch.cat([digits(split)[0]] * channels, 1) for split in ("train", "test")]


def pixels() -> list[torch.Tensor]:
    """The same as vectors of 64 pixels."""
    return [x.flatten(1) for x in images()]


def principal_components(count: int = 10) -> list[torch.Tensor]:
    """Coordinates along the directions in which the training digits vary most."""
    train, test = (x.numpy().astype(np.float64) for x in pixels())
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:count]
    return [torch.from_numpy(((x - mean) @ axes.T).astype(np.float32)) for x in (train, test)]


def labels() -> list[torch.Tensor]:
    """Labels of the training and test digits."""
    return [digits(split)[1] for split in ("train", "test")]


@torch.no_grad()
def evaluate(model, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Accuracy and mean loss in evaluation mode."""
    model.eval()
    out = model(x)
    return (out.argmax(1) == y).float().mean().item(), F.cross_entropy(out, y).item()


def train(model, inputs: list[torch.Tensor], epochs: int = 15, after_epoch=print) -> None:
    """Train on the digits: SGD with momentum, the rate falling along a cosine.

    `after_epoch` is called with the epoch, the test accuracy and the test loss.
    """
    (x_train, x_test), (y_train, y_test) = inputs, labels()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    # A last batch of one sample would leave batch normalization nothing to average.
    loader = DataLoader(
        TensorDataset(x_train, y_train), batch_size=32, shuffle=True, drop_last=True
    )
    for epoch in range(1, epochs + 1):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        schedule.step()
        after_epoch(epoch, *evaluate(model, x_test, y_test))

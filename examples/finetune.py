"""Fine-tune a torchvision-style ResNet-18 checkpoint on the handwritten digits.

python examples/finetune.py resnet18.pth    # a file of torchvision's; any class count
python examples/finetune.py                 # without one: from first weights

It writes the network to finetuned.pt and ten test images to digits.npy, which the C++ program of
examples/serve.cpp takes:

build/examples/serve finetuned.pt digits.npy
"""

import sys

import numpy as np

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F
from ballast.models import resnet18


def load_backbone(model: nn.Module, path: str) -> None:
    """Load everything but the last layer, whose classes are others."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {k: v for k, v in state.items() if not k.startswith("fc.")}
    print(model.load_state_dict(state, strict=False))


def images(x: torch.Tensor) -> torch.Tensor:
    """Make colour images of 32x32 of 8x8 grey ones, with the mean and deviation the net expects."""
    x = x.reshape(-1, 1, 8, 1, 8, 1).expand(-1, 3, 8, 4, 8, 4).reshape(-1, 3, 32, 32)
    return (x - 0.45) / 0.225


def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Count what the model gets right."""
    model.eval()
    with torch.no_grad():
        return (model(images(x)).argmax(dim=1) == y).float().mean().item()


def main() -> None:
    """Train the last layer and the batch normalization for two epochs, then save."""
    torch.manual_seed(0)
    model = resnet18(num_classes=10)
    if len(sys.argv) > 1:
        load_backbone(model, sys.argv[1])
    x, y = torch.data.digits("train")
    test = torch.data.digits("test")

    trained = [
        p
        for m in model.modules()
        if isinstance(m, (nn.BatchNorm2d, nn.Linear))
        for p in m.parameters(recurse=False)
    ]
    optimizer = torch.optim.SGD(trained, lr=0.02, momentum=0.9)
    for epoch in range(2):
        model.train()
        for rows in torch.randperm(len(y)).split(64):
            loss = F.cross_entropy(model(images(x[rows])), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: {accuracy(model, *test):.1%} of the test digits")
    torch.save({"model": model.state_dict(), "epoch": 2}, "finetuned.pt")
    np.save("digits.npy", images(test[0][:10]).numpy())


if __name__ == "__main__":
    main()

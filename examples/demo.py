"""Trains the example networks on the handwritten digits, with and without batch normalization.

Prints what leaving it out costs, saves a network, reloads it in a new process, evaluates it to the
same number and shows what it makes of a few digits.

    python examples/demo.py [--seeds N] [--epochs N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F
from ballast.data import digits
from ballast.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).parent))
from custom_model import CustomModel
from my_model import MyModel
from net import Net


class SmallCNN(nn.Module):
    """Two convolutions, each with batch normalization, and a classifier."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(32)
        self.fc = nn.Linear(32 * 4 * 4, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc(torch.flatten(x, 1))


NETWORKS = {"Net": Net, "CustomModel": CustomModel, "MyModel": MyModel, "SmallCNN": SmallCNN}


class Digits:
    """The digits as each network takes them."""

    def __init__(self):
        self.images = {}
        self.labels = {}
        for split in ("train", "test"):
            self.images[split], self.labels[split] = digits(split)
        flat = self.images["train"].flatten(1).numpy().astype(np.float64)
        self.mean = flat.mean(axis=0)
        # The directions of largest variance of the training digits.
        self.components = np.linalg.svd(flat - self.mean, full_matrices=False)[2][:10]

    def inputs(self, network: str, split: str) -> torch.Tensor:
        """Inputs of a split: ten principal components, 64 pixels, or images of one or three channels."""
        x = self.images[split]
        if network == "Net":
            flat = x.flatten(1).numpy().astype(np.float64)
            return torch.from_numpy(((flat - self.mean) @ self.components.T).astype(np.float32))
        if network == "CustomModel":
            return x.flatten(1)
        return torch.cat([x, x, x], 1) if network == "MyModel" else x


def without_batch_norm(model: nn.Module) -> nn.Module:
    """Puts the identity in the place of every batch-norm layer."""
    for name, child in list(model.named_children()):
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            setattr(model, name, nn.Identity())
    return model


def build(network: str, batch_norm: bool) -> nn.Module:
    model = NETWORKS[network]()
    return model if batch_norm else without_batch_norm(model)


@torch.no_grad()
def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Accuracy and mean loss."""
    model.eval()
    out = model(x)
    return (out.argmax(1) == y).float().mean().item(), F.cross_entropy(out, y).item()


def train(network, batch_norm, seed, epochs, data, progress):
    """Trains one network; returns it and what the table shows."""
    torch.manual_seed(seed)
    model = build(network, batch_norm)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    x_test, y_test = data.inputs(network, "test"), data.labels["test"]
    loader = DataLoader(
        TensorDataset(data.inputs(network, "train"), data.labels["train"]),
        batch_size=32,
        shuffle=True,
        drop_last=True,
    )
    reached, seconds = None, 0.0
    for epoch in range(1, epochs + 1):
        model.train()
        start = time.perf_counter()
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        schedule.step()
        seconds += time.perf_counter() - start
        accuracy, test_loss = evaluate(model, x_test, y_test)
        if reached is None and accuracy >= 0.95:
            reached = epoch
        progress.show(
            f"{network}, {'batch norm' if batch_norm else 'none'}, seed {seed}: {accuracy:.1%}"
        )
    result = {"accuracy": accuracy, "loss": test_loss, "epochs_to_95": reached, "seconds": seconds}
    return model, result


class Progress:
    """A bar on a terminal, a line a network in a log."""

    def __init__(self, total: int):
        self.total, self.done, self.last = total, 0, ""
        self.bar = sys.stderr.isatty()

    def show(self, text: str) -> None:
        self.done += 1
        if self.bar:
            filled = 30 * self.done // self.total
            print(f"\r[{'#' * filled}{'.' * (30 - filled)}] {text:<50}", end="", file=sys.stderr)
        elif self.done * 8 // self.total != (self.done - 1) * 8 // self.total:
            print(f"{100 * self.done // self.total:3d} %  {text}", file=sys.stderr)

    def close(self) -> None:
        if self.bar:
            print(f"\r{'':<84}\r", end="", file=sys.stderr)


def table(results: dict) -> str:
    """Means over the seeds."""
    lines = [
        f"{'network':<12} {'norm':<11} {'test accuracy':>15} {'test loss':>10} {'epochs to 95 %':>15} {'seconds':>8}"
    ]
    for (network, batch_norm), runs in results.items():
        accuracy = [100 * r["accuracy"] for r in runs]
        spread = statistics.stdev(accuracy) if len(accuracy) > 1 else 0.0
        reached = [r["epochs_to_95"] for r in runs if r["epochs_to_95"]]
        epochs = (
            f"{statistics.mean(reached):.1f}"
            if len(reached) == len(runs)
            else f"{len(reached)} of {len(runs)} runs"
        )
        lines.append(
            f"{network:<12} {'batch norm' if batch_norm else 'none':<11} "
            f"{statistics.mean(accuracy):>8.2f} ± {spread:4.2f} {statistics.mean(r['loss'] for r in runs):>10.4f} "
            f"{epochs:>15} {statistics.mean(r['seconds'] for r in runs):>8.2f}"
        )
    return "\n".join(lines)


def draw(image: np.ndarray) -> list[str]:
    """An image as lines of half blocks: two pixels a character."""
    shades = " ░▒▓█"
    return ["".join(2 * shades[min(int(v * 5), 4)] for v in row) for row in image]


def show_predictions(model, data, network, count=5):
    """Draws a few test digits beside the network's answers."""
    model.eval()
    with torch.no_grad():
        p = F.softmax(model(data.inputs(network, "test")[:count]), 1).numpy()
    drawn = [draw(image[0]) for image in data.images["test"][:count].numpy()]
    for row in zip(*drawn):
        print("   ".join(row))
    labels = [int(v) for v in data.labels["test"][:count].numpy()]
    print(
        "   ".join(
            f"is {t}, says {q.argmax()} ({q.max():.0%})".ljust(16)[:16] for t, q in zip(labels, p)
        )
    )


def reload(path: Path) -> None:
    """The second process: loads a saved network and prints its test accuracy and loss."""
    model = build("MyModel", True)
    model.load_state_dict(torch.load(str(path)))
    data = Digits()
    print(json.dumps(evaluate(model, data.inputs("MyModel", "test"), data.labels["test"])))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="runs of each network (5)")
    parser.add_argument("--epochs", type=int, default=15, help="epochs of each run (15)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="where the network is saved (runs/demo)"
    )
    parser.add_argument("--reload", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.reload:
        reload(args.reload)
        return 0
    if args.seeds < 1 or args.epochs < 1:
        parser.error("--seeds and --epochs must be at least 1")

    data = Digits()
    progress = Progress(len(NETWORKS) * 2 * args.seeds * args.epochs)
    results, kept = {}, None
    for network in NETWORKS:
        for batch_norm in (True, False):
            runs = []
            for seed in range(args.seeds):
                model, result = train(network, batch_norm, seed, args.epochs, data, progress)
                runs.append(result)
                if network == "MyModel" and batch_norm and kept is None:
                    kept = model
            results[network, batch_norm] = runs
    progress.close()
    print(
        f"1,437 digits to train on, 360 to test, {args.epochs} epochs, mean of {args.seeds} seeds:\n"
    )
    print(table(results))

    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "my_model.safetensors"
    torch.save(kept.state_dict(), str(path))
    here = evaluate(kept, data.inputs("MyModel", "test"), data.labels["test"])
    command = [sys.executable, __file__, "--reload", str(path)]
    there = tuple(
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    )
    same = "the same" if here == there else "NOT THE SAME"
    print(
        f"\nMyModel saved to {path}; reloaded in a new process: accuracy {there[0]:.2%}, loss {there[1]:.6f}: {same}.\n"
    )
    show_predictions(kept, data, "MyModel")
    return 0 if here == there else 1


if __name__ == "__main__":
    sys.exit(main())

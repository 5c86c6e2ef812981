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
import training
from custom_model import CustomModel
from my_model import MyModel
from net import Net

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F
from ballast.data import digits


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


# Each network, and the digits as it takes them.
NETWORKS = {
    "Net": (Net, training.principal_components),
    "CustomModel": (CustomModel, training.pixels),
    "MyModel": (MyModel, lambda: training.images(channels=3)),
    "SmallCNN": (SmallCNN, training.images),
}


def without_batch_norm(model: nn.Module) -> nn.Module:
    """Put the identity in the place of every batch-norm layer."""
    for name, child in list(model.named_children()):
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            setattr(model, name, nn.Identity())
    return model


def build(network: str, batch_norm: bool) -> nn.Module:
    model = NETWORKS[network][0]()
    return model if batch_norm else without_batch_norm(model)


def train(network: str, batch_norm: bool, seed: int, epochs: int, progress: Progress):
    """Train one network; returns it and what the table shows."""
    torch.manual_seed(seed)
    model = build(network, batch_norm)
    result = {"epochs_to_95": None}
    kind = "batch norm" if batch_norm else "none"

    def after_epoch(epoch: int, accuracy: float, loss: float) -> None:
        result.update(accuracy=accuracy, loss=loss)
        if result["epochs_to_95"] is None and accuracy >= 0.95:
            result["epochs_to_95"] = epoch
        progress.show(f"{network}, {kind}, seed {seed}: {accuracy:.1%}")

    start = time.perf_counter()
    training.train(model, NETWORKS[network][1](), epochs, after_epoch)
    result["seconds"] = time.perf_counter() - start
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
    """Format the means over the seeds."""
    lines = [
        f"{'network':<12} {'norm':<11} {'test accuracy %':>16} {'test loss':>10} "
        f"{'epochs to 95 %':>15} {'seconds':>8}"
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
            f"{statistics.mean(accuracy):>9.2f} ± {spread:4.2f} "
            f"{statistics.mean(r['loss'] for r in runs):>10.4f} "
            f"{epochs:>15} {statistics.mean(r['seconds'] for r in runs):>8.2f}"
        )
    return "\n".join(lines)


def draw(image: np.ndarray) -> list[str]:
    """Draw an image as lines of text: a pixel is two characters."""
    shades = " ░▒▓█"
    return ["".join(2 * shades[min(int(v * 5), 4)] for v in row) for row in image]


def show_predictions(model: nn.Module, network: str, count: int = 5) -> None:
    """Draw a few test digits beside the network's answers."""
    model.eval()
    with torch.no_grad():
        p = F.softmax(model(NETWORKS[network][1]()[1][:count]), 1).numpy()
    images, labels = digits("test")
    drawn = [draw(image[0]) for image in images[:count].numpy()]
    for row in zip(*drawn, strict=True):
        print("   ".join(row))
    answers = zip(labels[:count].tolist(), p, strict=True)
    print("   ".join(f"is {t}, says {q.argmax()} {q.max():.0%}".ljust(16) for t, q in answers))


def test_result(model: nn.Module) -> list[float]:
    """Accuracy and loss of MyModel on the test digits."""
    return list(training.evaluate(model, training.images(channels=3)[1], digits("test")[1]))


def reload(path: Path) -> None:
    """Load a saved network and print its test result: what the second process does."""
    model = build("MyModel", True)
    model.load_state_dict(torch.load(str(path)))
    print(json.dumps(test_result(model)))


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

    progress = Progress(len(NETWORKS) * 2 * args.seeds * args.epochs)
    results, kept = {}, None
    for network in NETWORKS:
        for batch_norm in (True, False):
            runs = []
            for seed in range(args.seeds):
                model, result = train(network, batch_norm, seed, args.epochs, progress)
                runs.append(result)
                if network == "MyModel" and batch_norm and kept is None:
                    kept = model
            results[network, batch_norm] = runs
    progress.close()
    print(
        f"1,437 digits to train on, 360 to test, {args.epochs} epochs, "
        f"means of {args.seeds} runs:\n"
    )
    print(table(results))

    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "my_model.safetensors"
    torch.save(kept.state_dict(), str(path))
    here = test_result(kept)
    command = [sys.executable, __file__, "--reload", str(path)]
    there = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    same = "the same" if here == there else "NOT THE SAME"
    print(
        f"\nMyModel saved to {path}; reloaded in a new process: "
        f"accuracy {there[0]:.2%}, loss {there[1]:.6f}: {same}.\n"
    )
    show_predictions(kept, "MyModel")
    return 0 if here == there else 1


if __name__ == "__main__":
    sys.exit(main())

"""Whether Winograd's rounding matters: ResNet-20 trained on the digits with and without it.

    .venv/bin/python bench/winograd_accuracy.py [--seeds N] [--epochs N]

Trains with the same seeds as it is and under BALLAST_CONV=direct, each in a process of its own, and
prints test accuracies with the mean's 95 % interval (Student's t).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

from arguments import Parser, whole

# Quantiles of Student's t for two-sided 95 %, by degrees of freedom.
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def t95(degrees: int) -> float:
    """Quantile for any degrees of freedom: of more than nine, by Cornish and Fisher's expansion."""
    if degrees in T95:
        return T95[degrees]
    z = statistics.NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def train(seed: int, epochs: int) -> float:
    """Train once; return the share of test digits that are recognized."""
    import ballast as torch
    from ballast import data, models, nn

    dataset = torch.utils.data.TensorDataset
    train_set, test_set = dataset(*data.digits("train")), dataset(*data.digits("test"))
    torch.manual_seed(seed)
    model = models.resnet20(in_channels=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loader = torch.utils.data.DataLoader(train_set, batch_size=64, shuffle=True, drop_last=True)
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        schedule.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in torch.utils.data.DataLoader(test_set, batch_size=128):
            right += int((model(x).argmax(1) == y).sum().item())
    return right / len(test_set)


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half-width of its 95 % interval."""
    spread = statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values), t95(len(values) - 1) * spread


def main() -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=whole(2), default=5)
    parser.add_argument("--epochs", type=whole(1), default=10)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(train(args.one, args.epochs)))
        return
    found = {}
    for kind in ("winograd", "direct"):
        accuracies = []
        for seed in range(args.seeds):
            command = [sys.executable, __file__, "--one", str(seed), "--epochs", str(args.epochs)]
            environment = {**os.environ, **({"BALLAST_CONV": kind} if kind == "direct" else {})}
            run = subprocess.run(command, env=environment, capture_output=True, text=True)
            if run.returncode != 0:
                why = run.stderr.splitlines()[-1:] or [f"exit status {run.returncode}"]
                raise SystemExit(f"bench: training with seed {seed} failed: {why[0]}")
            accuracies.append(json.loads(run.stdout))
        mean, half = found[kind] = interval(accuracies)
        runs = ", ".join(f"{100 * a:.2f}" for a in accuracies)
        print(f"{kind:<9} {100 * mean:.2f} ± {100 * half:.2f} %   ({runs})", flush=True)
    (a, da), (b, db) = found["winograd"], found["direct"]
    print("the intervals overlap" if abs(a - b) <= da + db else "the intervals do NOT overlap")


if __name__ == "__main__":
    main()

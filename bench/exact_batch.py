"""Time and memory of an exact training step in parts against the step of the whole batch.

    python bench/exact_batch.py [--model resnet20] [--batch 512] [--micro 64] [--rounds 5]

Steps alternate in one process; the ratio is of the medians. Memory is the peak of resident memory
over what is there after a step of two samples, each form in a process of its own. Gradients and
running statistics are compared in the norm of each tensor.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import ballast
from ballast import study
from ballast.nn import functional as F


def setting(args):
    """A network and a batch."""
    ballast.manual_seed(0)
    model = getattr(ballast.models, args.model)()
    x = ballast.randn(args.batch, 3, args.size, args.size)
    return model, x, ballast.randint(0, 10, (args.batch,))


def step(args, form, model, x, y):
    """One step without the optimizer's; returns its seconds and its loss."""
    model.zero_grad()
    start = time.perf_counter()
    if form == "parts":
        loss = study.train_step(model, (x, y), micro_batch=args.micro, stride=args.stride)
    else:
        value = F.cross_entropy(model(x), y)
        value.backward()
        loss = value.item()
    ballast._core._eval([p.grad for p in model.parameters()] + list(model.buffers()))
    return time.perf_counter() - start, loss


def resident(key):
    """Kilobytes of this process: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    raise RuntimeError(f"no {key} in /proc/self/status")


def peak(args, form):
    """Print the megabytes that steps take."""
    model, x, y = setting(args)
    step(args, "whole", model, x[:2], y[:2])
    before = resident("VmRSS")
    for _ in range(2):
        step(args, form, model, x, y)
    print((resident("VmHWM") - before) / 1024)


def results(model):
    """What a step leaves behind."""
    found = {k: p.grad.numpy().copy() for k, p in model.named_parameters()}
    return found | {k: b.numpy().copy() for k, b in model.named_buffers()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--micro", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stride", type=int, default=6)
    parser.add_argument("--peak", choices=("whole", "parts"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        return peak(args, args.peak)
    models = {form: setting(args)[0] for form in ("whole", "parts")}
    _, x, y = setting(args)
    losses = {form: step(args, form, m, x, y)[1] for form, m in models.items()}
    whole, parts = (results(models[form]) for form in ("whole", "parts"))
    scale = {k: np.linalg.norm(v) for k, v in whole.items()}
    worst = max(whole, key=lambda k: np.linalg.norm(parts[k] - whole[k]) / max(scale[k], 1e-30))
    difference = np.linalg.norm(parts[worst] - whole[worst]) / scale[worst]
    seconds = {form: [] for form in models}
    for _ in range(args.rounds):
        for form, m in models.items():
            seconds[form].append(step(args, form, m, x, y)[0])
    median = {form: statistics.median(v) for form, v in seconds.items()}
    memory = {}
    for form in models:
        command = [sys.executable, __file__, *sys.argv[1:], "--peak", form]
        memory[form] = float(subprocess.run(command, capture_output=True, check=True).stdout)
    print(
        json.dumps(
            {
                "loss": losses,
                "largest difference": [worst, float(difference)],
                "seconds": median,
                "time ratio": median["parts"] / median["whole"],
                "megabytes": memory,
                "memory ratio": memory["parts"] / memory["whole"],
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()

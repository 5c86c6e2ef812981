"""Time, memory and results of an exact training step in parts against the step of the whole batch.

    python bench/exact_batch.py [--model resnet20] [--batch 512] [--micro 64] [--rounds 5]

Each form runs in processes of its own, in turn: what one frees, the other does not find. The ratio
of times is that of the medians, memory the peak of resident memory over what is there after a step
of two samples. Gradients and running statistics are compared tensor by tensor, by the norm of the
difference over the norm: of the parts with the whole batch; and, for scale, of the whole batch with
itself in another order.
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


def measure(args, form):
    """Print the seconds of steps, and the megabytes that they take."""
    model, x, y = setting(args)
    step(args, "whole", model, x[:2], y[:2])
    before = resident("VmRSS")
    seconds = [step(args, form, model, x, y)[0] for _ in range(args.rounds + 1)][1:]
    print(json.dumps({"seconds": seconds, "megabytes": (resident("VmHWM") - before) / 1024}))


def measured(form):
    """What `measure` finds in a process of its own, with the arguments of this one."""
    command = [sys.executable, __file__, *sys.argv[1:], "--measure", form]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def left_by(args, form, order=None):
    """Gradients and buffers that a first step leaves behind."""
    model, x, y = setting(args)
    if order is not None:
        x, y = x[order], y[order]
    step(args, form, model, x, y)
    found = {k: p.grad.numpy().copy() for k, p in model.named_parameters()}
    return found | {k: b.numpy().copy() for k, b in model.named_buffers()}


def difference(got, want):
    """The largest difference of a tensor relative to its norm, and of which."""
    relative = {
        k: float(np.linalg.norm(got[k] - v) / max(np.linalg.norm(v), 1e-30))
        for k, v in want.items()
    }
    worst = max(relative, key=relative.get)
    return {"of": worst, "is": relative[worst]}


def differences(args):
    """Parts and whole; whole and whole in another order."""
    order = ballast.from_numpy(np.random.default_rng(0).permutation(args.batch))
    whole = left_by(args, "whole")
    return {
        "parts, whole": difference(left_by(args, "parts"), whole),
        "whole in another order, whole": difference(left_by(args, "whole", order), whole),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--micro", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stride", type=int, default=4)
    parser.add_argument("--measure", choices=("whole", "parts"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        return measure(args, args.measure)
    runs = {"whole": [], "parts": []}
    for _ in range(2):
        for form, found in runs.items():
            found.append(measured(form))
    seconds = {f: statistics.median(s for r in v for s in r["seconds"]) for f, v in runs.items()}
    memory = {f: max(r["megabytes"] for r in v) for f, v in runs.items()}
    report = {
        "differences": differences(args),
        "seconds": seconds,
        "time ratio": seconds["parts"] / seconds["whole"],
        "megabytes": memory,
        "memory ratio": memory["parts"] / memory["whole"],
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

"""Memory that values nobody has read yet hold, in loops of training and evaluation.

    python bench/unread_values.py [STEPS]

Every loop runs twice, each time in a process of its own: once it reads what it adds up at every
step, once only at its end. The peaks of resident memory may differ by 50 MiB.
"""

import json
import resource
import subprocess
import sys

import ballast
from ballast import nn
from ballast.nn import functional as F  # noqa: N812

ALLOWED_MIB = 50


def _training():
    net = nn.Conv2d(3, 8, 1)
    opt = ballast.optim.SGD(net.parameters(), lr=0.01)
    return net, opt, ballast.randn(4, 3, 64, 64), ballast.randint(0, 8, (4, 64, 64))


def evaluation(steps: int, read):
    """Adds up hits under no_grad."""
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    ).eval()
    correct = ballast.zeros((), dtype=ballast.int64)
    with ballast.no_grad():
        for _ in range(steps):
            x, t = ballast.rand(32, 3, 32, 32), ballast.randint(0, 10, (32,))
            correct += (net(x).argmax(1) == t).sum()
            read(correct)
    return correct.item()


def accuracy(steps: int, read):
    """Adds up hits of training's outputs, after the optimizer's step."""
    net, opt, x, t = _training()
    correct = 0
    for _ in range(steps):
        opt.zero_grad()
        out = net(x)
        F.cross_entropy(out, t).backward()
        opt.step()
        correct = correct + (out.argmax(1) == t).sum()
        read(correct)
    return correct.item()


def running_loss(steps: int, read):
    """Adds up the loss before backward()."""
    net, opt, x, t = _training()
    total = 0
    for _ in range(steps):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), t)
        total = total + loss.detach() * len(x)
        loss.backward()
        opt.step()
        read(total)
    return total.item()


def losses(steps: int, read):
    """Keeps a list of losses."""
    net, opt, x, t = _training()
    kept = []
    for _ in range(steps):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), t)
        loss.backward()
        opt.step()
        kept.append(loss.detach())
        read(kept[-1])
    return sum(v.item() for v in kept)


def means(steps: int, read):
    """Keeps a list of means of outputs."""
    net, opt, x, t = _training()
    kept = []
    for _ in range(steps):
        opt.zero_grad()
        out = net(x)
        F.cross_entropy(out, t).backward()
        opt.step()
        kept.append(out.detach().mean())
        read(kept[-1])
    return sum(v.item() for v in kept)


def moving_average(steps: int, read):
    """Keeps a moving average of the parameters."""
    net = nn.Linear(256, 256)
    opt = ballast.optim.SGD(net.parameters(), lr=0.01)
    x = ballast.randn(4, 256)
    average = ballast.zeros(256, 256)
    for _ in range(steps):
        opt.zero_grad()
        net(x).square().mean().backward()
        opt.step()
        average = average * 0.99 + net.weight.detach() * 0.01
        read(average)
    return average.sum().item()


def last_outputs(steps: int, read):
    """Keeps a dictionary of the last outputs."""
    net, opt, x, t = _training()
    last = {}
    for i in range(steps):
        opt.zero_grad()
        out = net(x)
        F.cross_entropy(out, t).backward()
        opt.step()
        last[i % 3] = out.detach() * 2
        read(last[i % 3])
    return sum(v.sum().item() for v in last.values())


LOOPS = {
    f.__name__: f
    for f in (evaluation, accuracy, running_loss, losses, means, moving_average, last_outputs)
}


def _read(value) -> None:
    value.detach().numpy()


def measure(name: str, steps: int, reading: bool) -> tuple[float, float]:
    """Run a loop in this process; return the growth of its peak memory in MiB, and its result."""
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # noqa: E731
    LOOPS[name](10, _read)
    before = peak()
    value = LOOPS[name](steps, _read if reading else lambda value: None)
    return peak() - before, value


def main() -> int:
    """Print a line for each loop; return how many hold too much."""
    if len(sys.argv) == 4:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "read")))
        return 0
    steps = sys.argv[1] if len(sys.argv) > 1 else "3000"
    bad = 0
    for name in LOOPS:
        mib = {}
        for way in ("read", "unread"):
            done = subprocess.run(
                [sys.executable, __file__, name, steps, way],
                capture_output=True,
                text=True,
                check=True,
            )
            mib[way] = json.loads(done.stdout)[0]
        wrong = mib["unread"] > mib["read"] + ALLOWED_MIB
        bad += wrong
        print(
            f"{name:16} {steps} steps: {mib['read']:.0f} MiB read, {mib['unread']:.0f} MiB unread"
            f"{'  TOO MUCH' if wrong else ''}",
            flush=True,
        )
    return bad


if __name__ == "__main__":
    sys.exit(main())

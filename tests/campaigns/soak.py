"""Trains a network with batch norm for many steps, with metrics that are read late.

Holds where memory stays flat after a start, steps take as long at the end as at the beginning, and
a second training in the same process gives the same bits.
"""

from __future__ import annotations

import hashlib
import resource
import statistics
import sys
import time

from support import Campaign, options

MEMORY = 24 << 20  # bytes that the process may grow by: pools of memory settle


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def train(steps: int, campaign: Campaign | None) -> str:
    """A digest of losses and final weights. Checks memory and speed for a campaign."""
    import ballast as torch
    import ballast.data
    import ballast.nn as nn
    import ballast.nn.functional as F

    torch.manual_seed(0)
    x, y = ballast.data.digits("train")
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
        nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
        nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(256, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    digest, correct, times, memory = hashlib.sha256(), 0, [], []
    for step in range(steps):
        start = time.perf_counter()
        rows = torch.randint(0, len(y), (32,))
        output = net(x[rows])
        loss = F.cross_entropy(output, y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        correct = correct + (output.argmax(1) == y[rows]).sum()  # read at the end of a round
        if step % 50 == 49:
            digest.update(repr((loss.item(), int(correct))).encode())
            correct = 0
            memory.append(resident())
        times.append(time.perf_counter() - start)
    for value in net.state_dict().values():
        digest.update(value.numpy().tobytes())
    if campaign:
        third = len(times) // 3
        first, last = statistics.median(times[third : 2 * third]), statistics.median(times[-third:])
        growth = memory[-1] - memory[len(memory) // 3]
        campaign.case(growth < MEMORY, f"memory grew by {growth / 2**20:.1f} MiB")
        campaign.case(
            last < 1.5 * first, f"a step took {1e6 * first:.0f}, then {1e6 * last:.0f} us"
        )
        print(
            f"soak: {steps} steps, memory {memory[0] / 2**20:.1f} to {memory[-1] / 2**20:.1f} MiB, "
            f"a step {1e6 * first:.0f} then {1e6 * last:.0f} us"
        )
    return digest.hexdigest()


def main() -> int:
    """Run the campaign."""
    o = options(__doc__)
    campaign = Campaign("soak", o.seed)
    steps = 20_000 if o.full else 500
    first, second = train(steps, campaign), train(steps, None)
    campaign.case(first == second, "a second training gives other bits")
    return campaign.end()


if __name__ == "__main__":
    sys.exit(main())

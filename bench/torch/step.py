"""The steps of bench/step.cpp in PyTorch, or with --ballast in Ballast's Python package.

Prints the median and the tenth percentile of each step's time in microseconds.
"""

import statistics
import sys
import time

if "--ballast" in sys.argv:
    import ballast as torch
    import ballast.nn as nn
    import ballast.nn.functional as F
else:
    import torch
    import torch.nn.functional as F
    from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 20)
        self.bn1 = nn.BatchNorm1d(20)
        self.fc2 = nn.Linear(20, 10)

    def forward(self, x):
        return self.fc2(F.relu(self.bn1(self.fc1(x))))


class CustomModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.bn1 = nn.BatchNorm1d(128)
        self.fc2 = nn.Linear(128, 10)
        self.bn2 = nn.BatchNorm1d(10)

    def forward(self, x):
        return self.bn2(self.fc2(F.relu(self.bn1(self.fc1(x)))))


class MyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3)
        self.bn1 = nn.BatchNorm2d(64)
        self.fc = nn.Linear(64, 10)
        self.bn2 = nn.BatchNorm1d(10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)))


def measure(name, model, shape, seconds=2.0):
    x, y = torch.randn(shape), torch.randint(0, 10, (shape[0],))
    # A rate of zero, as in step.cpp: no denormals after many steps on one batch.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        times.append(1e6 * (time.perf_counter() - begin))
    tenth = statistics.quantiles(times, n=10)[0]
    print(f"{name:<22} {statistics.median(times):>10.1f} us   (tenth percentile {tenth:.1f})")


torch.manual_seed(0)
measure("net_batch64", Net(), (64, 10))
measure("custom_batch64", CustomModel(), (64, 64))
measure("my_batch64_8x8", MyModel(), (64, 3, 8, 8))
measure("my_batch64_32x32", MyModel(), (64, 3, 32, 32))

"""Writes tests/golden/optim.json: five steps of PyTorch's optimizers, and its learning-rate schedules.

Run with a Python that has PyTorch:

    python scripts/golden/optim.py

The parameter starts as sin(i + 1), i = 0...6; the gradient of step t (from 1) is cos(2i + t). All in float64.
"""

import json
import pathlib

import torch
from torch import optim
from torch.optim import lr_scheduler

OUTPUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "optim.json"


def steps(cls, **options) -> dict:
    i = torch.arange(7, dtype=torch.float64)
    p = torch.nn.Parameter(torch.sin(i + 1))
    opt = cls([p], **options)
    values = []
    for t in range(1, 6):
        p.grad = torch.cos(2 * i + t)
        opt.step()
        values.append(p.tolist())
    return {"kind": cls.__name__, "options": options, "values": values}


def rates(cls, *args, **options) -> dict:
    p = torch.nn.Parameter(torch.zeros(1))
    p.grad = torch.zeros(1)
    opt = optim.SGD([p], lr=0.1)
    schedule = cls(opt, *args, **options)
    values = []
    for _ in range(30):
        values.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    return {"kind": cls.__name__, "options": options, "values": values}


def main():
    runs = [
        steps(optim.SGD, lr=0.1),
        steps(optim.SGD, lr=0.1, weight_decay=0.05),
        steps(optim.SGD, lr=0.1, momentum=0.9),
        steps(optim.SGD, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.05),
        steps(optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=True),
        steps(optim.SGD, lr=0.1, momentum=0.9, maximize=True),
        steps(optim.Adam, lr=0.01),
        steps(optim.Adam, lr=0.01, weight_decay=0.1, eps=1e-3),
        steps(optim.Adam, lr=0.01, betas=(0.4, 0.9), amsgrad=True),
        steps(optim.Adam, lr=0.01, maximize=True),
        steps(optim.AdamW, lr=0.01),
        steps(optim.AdamW, lr=0.01, weight_decay=0.5, amsgrad=True),
    ]
    schedules = [
        rates(lr_scheduler.StepLR, step_size=7, gamma=0.3),
        rates(lr_scheduler.MultiStepLR, milestones=[3, 3, 10], gamma=0.5),
        rates(lr_scheduler.LinearLR),
        rates(lr_scheduler.LinearLR, start_factor=0.1, end_factor=0.7, total_iters=12),
        rates(lr_scheduler.CosineAnnealingLR, T_max=20),
        rates(lr_scheduler.CosineAnnealingLR, T_max=8, eta_min=0.01),
    ]
    OUTPUT.write_text(json.dumps({"steps": runs, "schedules": schedules}, indent=None) + "\n")


if __name__ == "__main__":
    main()

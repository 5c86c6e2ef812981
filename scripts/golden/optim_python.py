"""Write what PyTorch's optimizers and schedules do: python scripts/golden/optim_python.py.

The parameter starts as sin(i + 1), i = 0...6; the gradient of step t (from 1) is cos(2i + t). All
in float64.
"""

import json
from pathlib import Path

import torch
from torch import optim
from torch.optim import lr_scheduler, swa_utils

OUTPUT = Path(__file__).parents[2] / "python" / "tests" / "optim_golden.json"
STEPS = 8


def shortened(value):
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, (list, tuple)):
        return [shortened(v) for v in value]
    if isinstance(value, dict):
        return {k: shortened(v) for k, v in value.items()}
    return value


def steps(name, **options):
    i = torch.arange(7, dtype=torch.float64)
    p = torch.nn.Parameter(torch.sin(i + 1))
    opt = getattr(optim, name)([p], **options)
    values = []
    for t in range(1, STEPS + 1):
        p.grad = torch.cos(2 * i + t)
        opt.step()
        values.append(p.tolist())
    packed = opt.state_dict()
    state = {
        k: v.tolist() if isinstance(v, torch.Tensor) else v
        for k, v in packed["state"].get(0, {}).items()
    }
    groups = sorted(packed["param_groups"][0])
    return {"name": name, "options": options, "values": values, "state": state, "group": groups}


RUNS = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("AdamW", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.2}),
    ("Adadelta", {"lr": 0.5, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "betas": (0.9, 0.9)}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.1}),
    ("Rprop", {"lr": 0.01}),
    ("ASGD", {"lr": 0.1, "lambd": 0.01, "t0": 3.0, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "maximize": True}),
]

SCHEDULES = {
    "ExponentialLR": {"gamma": 0.9},
    "ConstantLR": {"factor": 0.25, "total_iters": 4},
    "PolynomialLR": {"total_iters": 12, "power": 1.5},
    "CosineAnnealingWarmRestarts": {"T_0": 4, "T_mult": 2, "eta_min": 0.01},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 30},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 4, "mode": "triangular2"},
}
MORE = {
    "OneCycleLR": {
        "max_lr": 0.5,
        "epochs": 5,
        "steps_per_epoch": 6,
        "three_phase": True,
        "anneal_strategy": "linear",
    },
    "CyclicLR": {
        "base_lr": 0.01,
        "max_lr": 0.2,
        "step_size_up": 3,
        "step_size_down": 5,
        "mode": "exp_range",
        "gamma": 0.95,
    },
}


def rates(make):
    p = torch.nn.Parameter(torch.zeros(1))
    p.grad = torch.zeros(1)
    opt = optim.SGD([p], lr=0.1, momentum=0.9)
    schedule = make(opt)
    values = []
    for _ in range(30):
        group = opt.param_groups[0]
        values.append([group["lr"], group["momentum"]])
        opt.step()
        schedule.step()
    return values


def composed(module, swa):
    """Schedules made of others, as functions of an optimizer, by name."""
    return {
        "Multiplicative": lambda o: module.MultiplicativeLR(o, lambda e: 0.95 if e % 2 else 0.9),
        "Sequential": lambda o: module.SequentialLR(
            o,
            [
                module.LinearLR(o, start_factor=0.1, total_iters=5),
                module.CosineAnnealingLR(o, T_max=15),
                module.StepLR(o, step_size=3, gamma=0.5),
            ],
            milestones=[5, 20],
        ),
        "Chained": lambda o: module.ChainedScheduler(
            [module.ConstantLR(o, factor=0.1, total_iters=3), module.ExponentialLR(o, gamma=0.9)]
        ),
        "SWALR": lambda o: swa.SWALR(o, swa_lr=0.03, anneal_epochs=7),
        "SWALR linear": lambda o: swa.SWALR(
            o, swa_lr=0.3, anneal_epochs=4, anneal_strategy="linear"
        ),
    }


def main():
    schedules = []
    for options in (SCHEDULES, MORE):
        for name, given in options.items():
            values = rates(lambda o, n=name, g=given: getattr(lr_scheduler, n)(o, **g))
            schedules.append({"name": name, "options": given, "values": values})
    made = {n: rates(make) for n, make in composed(lr_scheduler, swa_utils).items()}
    runs = [steps(name, **options) for name, options in RUNS]
    result = {"steps": runs, "schedules": schedules, "composed": made}
    OUTPUT.write_text(json.dumps(shortened(result), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()

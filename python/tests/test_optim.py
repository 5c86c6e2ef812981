"""Optimizers, schedules and averages against PyTorch's."""

import json
import math
from pathlib import Path

import pytest

import ballast as torch
import ballast.nn as nn
from ballast.optim import lr_scheduler, swa_utils

GOLDEN = json.loads((Path(__file__).parent / "optim_golden.json").read_text())


def gradient(t):
    i = torch.arange(7, dtype=torch.float64)
    return torch.tensor([math.cos(2 * k + t) for k in i.tolist()], dtype=torch.float64)


def parameter():
    return nn.Parameter(torch.tensor([math.sin(k + 1) for k in range(7)], dtype=torch.float64))


def flat(value):
    return value.flatten().tolist() if isinstance(value, torch.Tensor) else [value]


@pytest.mark.parametrize("case", GOLDEN["steps"], ids=lambda c: c["name"])
def test_steps_are_pytorchs(case):
    p = parameter()
    opt = getattr(torch.optim, case["name"])([p], **case["options"])
    for t, values in enumerate(case["values"], 1):
        p.grad = gradient(t)
        opt.step()
        assert p.tolist() == pytest.approx(values, rel=2e-6, abs=1e-9)
    packed = opt.state_dict()
    assert set(packed["state"].get(0, {})) == set(case["state"])
    for key, value in case["state"].items():
        theirs = value if isinstance(value, list) else [value]
        assert flat(packed["state"][0][key]) == pytest.approx(theirs, rel=1e-5, abs=1e-9), key
    known = {"params", "initial_lr", "decoupled_weight_decay", *case["options"]}
    assert set(case["group"]) - known <= set(packed["param_groups"][0])


@pytest.mark.parametrize("case", GOLDEN["steps"], ids=lambda c: c["name"])
def test_pytorchs_state_dict_is_continued_from(case):
    first = parameter()
    opt = getattr(torch.optim, case["name"])([first], **case["options"])
    for t in range(1, 5):
        first.grad = gradient(t)
        opt.step()
    state = opt.state_dict()
    for kept in state["state"].values():
        for key, value in kept.items():
            kept[key] = value.clone() if isinstance(value, torch.Tensor) else value
    second = nn.Parameter(first.detach().clone())
    again = getattr(torch.optim, case["name"])([second], **{**case["options"], "lr": 1.0})
    again.load_state_dict(state)
    for t, values in enumerate(case["values"][4:], 5):
        second.grad = gradient(t)
        again.step()
        assert second.tolist() == pytest.approx(values, rel=2e-6, abs=1e-9)


def rates(make):
    p = nn.Parameter(torch.zeros(1))
    p.grad = torch.zeros(1)
    opt = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    schedule = make(opt)
    values = []
    for _ in range(30):
        group = opt.param_groups[0]
        values.append([group["lr"], group["momentum"]])
        opt.step()
        schedule.step()
    return values


@pytest.mark.parametrize("case", GOLDEN["schedules"], ids=lambda c: c["name"])
def test_schedules_are_pytorchs(case):
    ours = rates(lambda o: getattr(lr_scheduler, case["name"])(o, **case["options"]))
    for mine, theirs in zip(ours, case["values"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-12)


COMPOSED = {
    "Multiplicative": lambda o: lr_scheduler.MultiplicativeLR(o, lambda e: 0.95 if e % 2 else 0.9),
    "Sequential": lambda o: lr_scheduler.SequentialLR(
        o,
        [
            lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=5),
            lr_scheduler.CosineAnnealingLR(o, T_max=15),
            lr_scheduler.StepLR(o, step_size=3, gamma=0.5),
        ],
        milestones=[5, 20],
    ),
    "Chained": lambda o: lr_scheduler.ChainedScheduler(
        [
            lr_scheduler.ConstantLR(o, factor=0.1, total_iters=3),
            lr_scheduler.ExponentialLR(o, gamma=0.9),
        ]
    ),
    "SWALR": lambda o: swa_utils.SWALR(o, swa_lr=0.03, anneal_epochs=7),
    "SWALR linear": lambda o: swa_utils.SWALR(
        o, swa_lr=0.3, anneal_epochs=4, anneal_strategy="linear"
    ),
}


@pytest.mark.parametrize("name", GOLDEN["composed"])
def test_composed_schedules_are_pytorchs(name):
    for mine, theirs in zip(rates(COMPOSED[name]), GOLDEN["composed"][name], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_a_schedule_continues_from_its_state():
    def made():
        opt = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        return opt, COMPOSED["Sequential"](opt)

    opt, schedule = made()
    for _ in range(8):
        schedule.step()
    other_opt, other = made()
    other.load_state_dict(schedule.state_dict())
    other_opt.param_groups[0]["lr"] = opt.param_groups[0]["lr"]
    for _ in range(20):
        schedule.step()
        other.step()
        assert other_opt.param_groups[0]["lr"] == opt.param_groups[0]["lr"]


def test_averaged_models():
    net = nn.Linear(2, 1)
    equal = swa_utils.AveragedModel(net)
    moving = swa_utils.AveragedModel(net, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    seen = []
    for value in (1.0, 3.0, 8.0):
        with torch.no_grad():
            net.weight.fill_(value)
        equal.update_parameters(net)
        moving.update_parameters(net)
        seen.append((equal.module.weight[0, 0].item(), moving.module.weight[0, 0].item()))
    assert seen == [(1, 1), (2, 2), (4, 5)] and equal.n_averaged.item() == 3


def test_statistics_computed_anew():
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm1d(3))
    data = [torch.randn(8, 3) for _ in range(4)]
    swa_utils.update_bn(data, net)
    mean = torch.stack([x.mean(0) for x in data]).mean(0)
    assert torch.allclose(net[0].running_mean, mean, atol=1e-6) and net[0].momentum == 0.1


def test_clipping_and_vectors():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    for p in net.parameters():
        p.grad = torch.ones(*p.shape)
    count = sum(p.numel() for p in net.parameters())
    assert nn.utils.clip_grad_norm_(net.parameters(), 1.5).item() == pytest.approx(count**0.5)
    total = nn.utils.get_total_norm([p.grad for p in net.parameters()])
    assert total.item() == pytest.approx(1.5, rel=1e-5)
    nn.utils.clip_grad_value_(net.parameters(), 0.01)
    assert max(p.grad.max().item() for p in net.parameters()) == pytest.approx(0.01)
    vector = nn.utils.parameters_to_vector(net.parameters())
    nn.utils.vector_to_parameters(torch.arange(float(count)), net.parameters())
    assert vector.shape == (count,) and net[1].bias.item() == count - 1


def test_batch_norm_folds_into_the_layer_before_it():
    torch.manual_seed(1)
    for layer, bn, x in (
        (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), torch.randn(2, 3, 5, 5)),
        (nn.Linear(3, 4), nn.BatchNorm1d(4), torch.randn(5, 3)),
    ):
        bn(layer(x))
        layer.eval(), bn.eval()
        fuse = (
            nn.utils.fuse_conv_bn_eval
            if isinstance(layer, nn.Conv2d)
            else nn.utils.fuse_linear_bn_eval
        )
        assert torch.allclose(fuse(layer, bn)(x), bn(layer(x)), atol=1e-5)

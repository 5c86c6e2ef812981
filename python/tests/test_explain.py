"""What the recorder shows of plans that Python code makes."""

import pytest

import ballast as torch
from ballast import nn


class Block(nn.Module):
    """A residual block that adds in place, as torchvision's does."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        out += x
        return self.conv2(torch.relu(out))


def test_adding_in_place_is_part_of_the_convolution_before():
    model, x = Block().eval(), torch.randn(2, 8, 6, 6)

    def step():
        with torch.no_grad():
            model(x).numpy()

    (plan,) = torch.explain(step, runs=2).plans
    assert plan["runs"] == 2
    names = [sweep["name"] for sweep in plan["sweeps"]]
    assert sum(name.startswith("conv2d") for name in names) == 2
    assert names.count("convert_layout") == 1  # of the input
    assert "relu" not in names and "add" not in names


def test_an_explanation_prints_as_tables():
    explanation = torch.explain(lambda: (torch.ones(4, 3) + 1).sum().item())
    assert "sum" in str(explanation)
    assert "1 plan" in repr(explanation)
    with pytest.raises(ValueError, match="at least one run"):
        torch.explain(lambda: None, runs=0)


def test_the_optimizer_and_its_memory_are_part_of_a_step():
    model = nn.Linear(10, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = torch.randn(4, 10)

    def step():
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    explanation = torch.explain(step, runs=2)
    (update,) = (p for p in explanation.plans if p["sweeps"][0]["kernel"] == "update")
    assert update["sweeps"][0]["name"] == "SGD" and update["runs"] == 2
    owners = explanation.memory
    assert owners["optimizer"] == 4 * 110
    assert owners["peak"] == sum(owners.values()) - owners["peak"]
    assert "peak" in str(explanation)

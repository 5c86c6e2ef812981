"""Symbolic tracing: a module's program as a graph, and modules made of graphs."""

import copy
import operator
import pickle

import pytest

import ballast as torch
from ballast import fx, models, nn
from ballast.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("shift", torch.tensor(0.5))
        self.fc = nn.Linear(4, 2)

    def forward(self, x, gain: float = 1.0):
        y = self.layers(x) * self.scale + self.shift
        y = F.adaptive_avg_pool2d(y, 1)
        y = torch.flatten(y, 1)
        n, c = y.shape[0], y.size(1)
        return self.fc(y.view(n, c).relu()) * gain


def test_a_traced_module_computes_the_same():
    torch.manual_seed(0)
    net, x = Net(), torch.randn(2, 3, 6, 6)
    traced = fx.symbolic_trace(net)
    traced.graph.lint()
    for training in (True, False):
        net.train(training)
        traced.train(training)
        assert torch.equal(traced(x), net(x)) and torch.equal(traced(x, 3.0), net(x, 3.0))
    assert [n.op for n in traced.graph.nodes][:5] == [
        *("placeholder", "placeholder", "call_module", "call_module", "call_module")
    ]
    assert [n for n, _ in traced.named_parameters()] == [
        *("scale", "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"),
        *("fc.weight", "fc.bias"),
    ]
    for again in (copy.deepcopy(traced), pickle.loads(pickle.dumps(traced))):
        assert torch.equal(again(x), net(x)) and again.code == traced.code


def test_the_graph_can_be_rewritten():
    traced = fx.symbolic_trace(Net()).eval()
    x = torch.randn(2, 3, 6, 6)
    before = traced(x)
    for node in list(traced.graph.nodes):
        if node.op == "call_function" and node.target is operator.mul and node.users:
            with traced.graph.inserting_after(node):
                doubled = traced.graph.call_function(operator.mul, (node, 1))
            node.replace_all_uses_with(doubled, lambda user, d=doubled: user is not d)
    traced.graph.eliminate_dead_code()
    traced.graph.lint()
    traced.recompile()
    assert torch.allclose(traced(x), before)
    assert torch.equal(fx.Interpreter(traced).run(x, 1.0), traced(x))


def test_networks_of_the_package_are_traced():
    torch.manual_seed(0)
    for net in (models.resnet18(num_classes=10), models.mobilenet_v2(num_classes=10)):
        net.eval()
        x = torch.randn(1, 3, 64, 64)
        assert torch.equal(fx.symbolic_trace(net)(x), net(x))


def test_what_depends_on_values_is_refused():
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(fx.TraceError, match="control flow"):
        fx.symbolic_trace(Branch())


def test_constants_and_unpacking():
    c = torch.tensor([1.0, 2.0])

    def f(x):
        a, b = x.split(1)
        return torch.cat([b, a]) + c

    traced = fx.symbolic_trace(f)
    assert traced(torch.tensor([3.0, 4.0])).tolist() == [5, 5]


def test_erasing_a_node_that_is_read_is_an_error():
    graph = fx.symbolic_trace(Net()).graph
    with pytest.raises(RuntimeError, match="users"):
        graph.erase_node(next(iter(graph.nodes)))

import copy
import pickle

import pytest

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.scale = nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.note = "kept"

    def forward(self, x):
        return self.fc(x) * self.scale


def test_assignment_registers():
    block = Block()
    assert [n for n, _ in block.named_parameters()] == ["scale", "fc.weight", "fc.bias"]
    assert list(block.state_dict()) == ["scale", "seen", "fc.weight", "fc.bias"]
    assert [n for n, _ in block.named_buffers()] == ["seen", "scratch"]
    assert block.scale is block.get_parameter("scale")
    assert block.get_submodule("fc") is block.fc
    block.fc = nn.Identity()
    assert [n for n, _ in block.named_parameters()] == ["scale"]
    del block.scale
    assert not hasattr(block, "scale")
    with pytest.raises(TypeError, match="cannot assign 'Tensor' as child module 'fc'"):
        block.fc = torch.ones(1)


def test_assignment_before_init_is_refused():
    class Wrong(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match="before Module.__init__"):
        Wrong()


def test_shared_modules_count_once():
    shared = nn.Linear(2, 2)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    assert len(list(net.parameters())) == 2
    assert len(list(net.modules())) == 3
    assert len(net.state_dict()) == 4


def test_modes_reach_all_modules():
    net = nn.Sequential(nn.Sequential(nn.BatchNorm1d(2)), nn.Dropout())
    assert not any(m.training for m in net.eval().modules())
    assert all(m.training for m in net.train().modules())


def test_apply_initializes():
    def init(m):
        if isinstance(m, nn.Linear):
            nn.init.constant_(m.weight, 2.0)
            nn.init.zeros_(m.bias)

    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1))).apply(init)
    assert net(torch.tensor([[1.0]])).item() == 4.0


def test_running_statistics_follow_training():
    bn = nn.BatchNorm1d(1)
    bn(torch.tensor([[0.0], [2.0]]))
    assert bn.running_mean.tolist() == pytest.approx([0.1])
    assert bn.running_var.tolist() == pytest.approx([0.9 + 0.1 * 2])
    assert bn.num_batches_tracked.item() == 1
    bn.reset_running_stats()
    assert bn.running_mean.item() == 0 and bn.num_batches_tracked.item() == 0
    average = nn.BatchNorm1d(1, momentum=None)
    for value in (1.0, 3.0):
        average(torch.full((2, 1), value))
    assert average.running_mean.item() == pytest.approx(2.0)


@pytest.mark.parametrize("momentum", [-1.0, -0.5, -0.1, 0.3, 1.5])
def test_momentum_may_be_any_number(momentum):
    x = torch.tensor([[1.0], [2.0], [3.0], [6.0]])
    bn = nn.BatchNorm1d(1, momentum=momentum)
    bn(x)
    assert bn.running_mean.item() == pytest.approx(momentum * 3, abs=1e-6)
    assert bn.running_var.item() == pytest.approx(1 - momentum + momentum * 14 / 3, abs=1e-6)
    mean, var = torch.zeros(1), torch.ones(1)
    F.instance_norm(x.T[None], mean, var, momentum=momentum)
    assert mean.item() == pytest.approx(momentum * 3, abs=1e-6)
    assert var.item() == pytest.approx(1 - momentum + momentum * 14 / 3, abs=1e-6)


def test_batch_norm_without_statistics_uses_the_batch():
    bn = nn.BatchNorm1d(2, track_running_stats=False, affine=False).eval()
    assert list(bn.state_dict()) == []
    assert bn(torch.tensor([[1.0, 5.0], [3.0, 9.0]])).mean().item() == pytest.approx(0, abs=1e-6)


def test_functional_batch_norm_updates_its_statistics():
    mean, var = torch.zeros(1), torch.ones(1)
    F.batch_norm(torch.tensor([[0.0], [2.0]]), mean, var, training=True, momentum=1.0)
    assert mean.item() == 1.0 and var.item() == pytest.approx(2.0)


def test_state_dicts_save_and_load(tmp_path):
    one, two = Block(), Block()
    torch.save(one.state_dict(), tmp_path / "block.safetensors")
    result = two.load_state_dict(torch.load(tmp_path / "block.safetensors"))
    assert repr(result) == "<All keys matched successfully>"
    assert torch.equal(one.fc.weight, two.fc.weight)
    assert two.fc.weight.requires_grad and two.fc.weight.is_leaf


def test_a_bad_state_dict_is_refused_as_a_whole():
    block = Block()
    before = block.fc.bias.tolist()
    bad = {"fc.weight": torch.ones(1, 1), "fc.bias": torch.ones(2), "more": torch.ones(1)}
    with pytest.raises(RuntimeError) as error:
        block.load_state_dict(bad)
    for part in ("Block", 'Missing key(s) in state_dict: "scale"', '"more"', "size mismatch for"):
        assert part in str(error.value)
    assert block.fc.bias.tolist() == before
    result = block.load_state_dict({"fc.bias": torch.ones(2)}, strict=False)
    assert result.missing_keys == ["scale", "seen", "fc.weight"]
    assert block.fc.bias.tolist() == [1.0, 1.0]


def test_copies_are_independent():
    block = Block()
    other = copy.deepcopy(block)
    loaded = pickle.loads(pickle.dumps(block))
    with torch.no_grad():
        block.scale.zero_()
    assert other.scale.tolist() == loaded.scale.tolist() == [1.0, 1.0]
    assert isinstance(other.scale, nn.Parameter) and isinstance(loaded.scale, nn.Parameter)
    assert loaded.note == "kept"


def test_hooks_replace_what_they_return():
    layer = nn.Identity()
    with layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,)):
        layer.register_forward_hook(lambda m, args, out: out * 10)
        assert layer(torch.tensor(1.0)).item() == 20.0
    assert layer(torch.tensor(1.0)).item() == 10.0


def test_conversion_of_a_network():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).double()
    assert {p.dtype for p in net.parameters()} == {torch.float64}
    assert net[1].running_mean.dtype is torch.float64
    assert net[1].num_batches_tracked.dtype is torch.int64
    assert net(torch.rand(4, 2, dtype=torch.float64)).dtype is torch.float64
    assert net.to("cpu") is net


def test_containers():
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))
    assert isinstance(net[1], nn.ReLU) and len(net[:2]) == 2
    net[1] = nn.Tanh()
    assert [type(m).__name__ for m in net] == ["Linear", "Tanh", "Linear"]
    layers = nn.ModuleList(nn.Linear(1, 1) for _ in range(3))
    layers.insert(0, nn.ReLU())
    assert len(layers) == 4 and isinstance(layers[0], nn.ReLU)
    assert len(list(layers.parameters())) == 6
    d = nn.ModuleDict({"a": nn.ReLU()})
    d["b"] = nn.Tanh()
    assert list(d) == ["a", "b"] and "a" in d


def test_gradients_can_be_zeroed_or_dropped():
    layer = nn.Linear(1, 1)
    layer(torch.ones(1, 1)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0.0]]
    layer.zero_grad()
    assert layer.weight.grad is None


def test_losses_take_weights():
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 0.0]))
    value = loss(torch.tensor([[0.0, 0.0], [9.0, 0.0]]), torch.tensor([0, 1]))
    assert value.item() == pytest.approx(0.693147, abs=1e-5)
    assert list(loss.state_dict()) == ["weight"]
    with pytest.raises(IndexError, match="Target 7 is out of bounds"):
        F.cross_entropy(torch.zeros(1, 3), torch.tensor([7])).item()
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        F.mse_loss(torch.zeros(1), torch.zeros(1), reduction="avg")


def test_a_missing_forward_is_named():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Module \[Empty\] is missing"):
        Empty()(1)

"""convert_norm, place_norm, fold, precise_bn and adapt_bn on Python modules."""

import numpy as np
import pytest

import ballast
from ballast import nn, study


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6, eps=1e-3, momentum=0.25)
        self.fc = nn.Linear(6, 4, bias=False)
        self.last = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.last(self.fc(self.norm(self.conv(x)).relu().mean((2, 3))))


def moved(model, *shape):
    """The model with statistics and weights that are not those it starts with."""
    ballast.manual_seed(1)
    for m in model.modules():
        if isinstance(m, nn.norm._BatchNorm):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.uniform_(m.bias, -0.5, 0.5)
    model(ballast.randn(8, *shape))
    return model


def test_converted_layers_keep_parameters_and_statistics():
    net = moved(Small(), 3, 5, 5)
    weight, before = net.norm.weight, {k: v.clone() for k, v in net.state_dict().items()}
    x = ballast.randn(4, 3, 5, 5)
    want = net.eval()(x).detach().numpy()
    for kind in ("ghost", "renorm", "batch"):
        limits = {"r_max": 2.0} if kind == "renorm" else {}
        assert study.convert_norm(net, kind, virtual_batch=2, **limits) is net
        assert net.norm.weight is weight and not net.norm.training
        after = net.state_dict()
        assert list(after) == list(before)
        for k in after:
            np.testing.assert_array_equal(after[k].numpy(), before[k].numpy())
        np.testing.assert_array_equal(net(x).detach().numpy(), want)
    assert str(net) == str(Small())


def test_every_kind_has_its_layer():
    net = nn.Sequential(nn.Conv2d(3, 12, 1), nn.BatchNorm2d(12, momentum=None))
    for kind, cls in (
        ("ghost", nn.GhostBatchNorm2d),
        ("renorm", nn.BatchRenorm2d),
        ("frozen", nn.FrozenBatchNorm2d),
        ("group", nn.GroupNorm),
        ("layer", nn.GroupNorm),
        ("instance", nn.InstanceNorm2d),
        ("batch", nn.BatchNorm2d),
        ("none", nn.Identity),
    ):
        study.convert_norm(net, kind, groups=8)
        assert type(net[1]) is cls
        net(ballast.randn(4, 3, 2, 2)).sum().backward()
    assert type(study.convert_norm(nn.BatchNorm1d(3), "group", groups=2)) is nn.GroupNorm
    assert study.convert_norm(nn.BatchNorm2d(12), "group", groups=8).num_groups == 4


def test_a_shared_layer_stays_shared():
    norm = nn.BatchNorm1d(3)
    net = study.convert_norm(nn.Sequential(norm, nn.ReLU(), norm), "ghost")
    assert net[0] is net[2] and type(net[0]) is nn.GhostBatchNorm1d


def test_what_cannot_be_converted_is_left_alone():
    net = Small()
    with pytest.raises(ValueError, match='1 dimensions has no kind "frozen"'):
        study.convert_norm(net, "frozen")
    with pytest.raises(ValueError, match="no kind of normalization"):
        study.convert_norm(net, "spectral")
    assert str(net) == str(Small())


def test_normalization_moves_behind_the_activation_and_back():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    before = str(net)
    assert study.place_norm(net, "after") == 1
    assert [type(m).__name__ for m in net] == ["Linear", "ReLU", "BatchNorm1d", "Linear"]
    assert study.place_norm(net, "after") == 0
    assert study.place_norm(net, "before") == 1
    assert str(net) == before


def test_folded_networks_compute_the_same():
    for net, shape, layers in (
        (Small(), (3, 5, 5), 2),
        (ballast.models.resnet20(), (3, 8, 8), 21),
        (nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU()), (2, 7), 1),
    ):
        net = moved(net, *shape).double().eval()
        x = ballast.randn(4, *shape, dtype=ballast.float64)
        want = net(x).detach().numpy()
        assert study.fold(net, x) == layers
        np.testing.assert_allclose(net(x).detach().numpy(), want, rtol=1e-10, atol=1e-12)
        assert not any(isinstance(m, nn.norm._BatchNorm) for m in net.modules())


def test_fold_leaves_what_others_read():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x):
            y = self.fc(x)
            return self.norm(y), y

    net = moved(Twice(), 3).eval()
    assert study.fold(net, ballast.randn(2, 3)) == 0
    with pytest.raises(ValueError, match="evaluation mode"):
        study.fold(Small(), ballast.randn(2, 3, 5, 5))


def test_fold_does_not_mistake_positions_for_channels():
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x):
            return self.norm(self.fc(x))  # (N, 3, 3): normalized over positions

    net = moved(Rows(), 3, 3).eval()
    assert study.fold(net, ballast.randn(2, 3, 3)) == 0


def test_precise_statistics_are_those_of_all_data():
    x = np.random.default_rng(0).normal(3, 2, (37, 3))
    norm = nn.BatchNorm1d(3).double()
    study.precise_bn(norm, [[ballast.tensor(x[i : i + 8]), None] for i in range(0, 37, 8)])
    np.testing.assert_allclose(norm.running_mean.numpy(), x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(norm.running_var.numpy(), x.var(0, ddof=1), rtol=1e-13)
    assert norm.num_batches_tracked.item() == 5 and norm.training


def test_precise_statistics_are_without_dropout_and_modes_come_back():
    net = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm1d(2).double())
    net[1].eval()
    x = np.random.default_rng(0).normal(3, 2, (6, 2))
    study.precise_bn(net, [ballast.tensor(x)])
    np.testing.assert_allclose(net[1].running_mean.numpy(), x.mean(0), rtol=1e-13)
    assert net.training and net[0].training and not net[1].training


def test_adapted_statistics_count_the_old_ones_as_prior_values():
    norm = nn.BatchNorm1d(1).double()
    norm.running_mean.fill_(10)
    norm.running_var.fill_(4)
    study.adapt_bn(norm, [ballast.tensor([[1.0], [2.0], [3.0]], dtype=ballast.float64)], prior=6)
    np.testing.assert_allclose(norm.running_mean.numpy(), [(3 * 2 + 6 * 10) / 9])
    np.testing.assert_allclose(norm.running_var.numpy(), [(3 * 1 + 6 * 4) / 9])
    with pytest.raises(ValueError, match="prior"):
        study.adapt_bn(norm, [], prior=-1)

"""Diagnosis of Python modules: faults planted into trained networks are found first."""

import pytest

import ballast as torch
from ballast import data, nn, study
from ballast.utils.data import DataLoader, TensorDataset


class Small(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8, **options)
        self.conv2, self.bn2 = nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16, **options)
        self.drop, self.fc = nn.Dropout(0.1), nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))
        return self.fc(self.drop(x.mean((2, 3))))


def samples(split, scale=1.0):
    x, y = data.digits(split)
    return TensorDataset(x * scale, y)


def trained(epochs=6, batch=32, lr=0.1, scale=1.0, **options):
    torch.manual_seed(0)
    model = Small(**options)
    opt = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    loader = DataLoader(samples("train", scale), batch_size=batch, shuffle=True)
    for _ in range(epochs):
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        schedule.step()
    return model.eval()


def on_test(model, scale=1.0, batch=32, **options):
    loader = DataLoader(samples("test", scale), batch_size=batch)
    return study.diagnose(model, loader, **options)


def first(diagnosis):
    return diagnosis.findings[0].kind if diagnosis.findings else "none"


def test_a_healthy_network_has_no_findings():
    d = on_test(trained())
    assert d.findings == [], str(d)
    assert [layer["name"] for layer in d.layers] == ["bn1", "bn2"]
    assert "No findings" in str(d)


def test_forgotten_eval():
    d = on_test(trained().train())
    assert first(d) == "forgotten_eval"
    assert d.findings[0].number > 0.01
    assert d.findings[0].layers == ["bn1", "bn2"]


def test_stale_statistics():
    assert first(on_test(trained(momentum=0.002))) == "stale_statistics"


def test_large_momentum_with_tiny_batches():
    model = trained(epochs=2, batch=2, lr=0.01, momentum=0.9)
    assert first(on_test(model, batch=2)) == "noisy_statistics"


@pytest.mark.parametrize("scale", [16.0, 1 / 16])
def test_changed_input(scale):
    d = on_test(trained(), scale=scale)
    assert first(d) == "changed_input"
    assert d.findings[0].number == pytest.approx(scale, rel=0.1)


def test_single_sample():
    model = trained().train()
    x = samples("test")[3][0][None]
    for _ in range(100):
        model(x)
    assert first(on_test(model.eval())) == "single_sample"
    assert first(on_test(trained(), batch_size=1)) == "single_sample"


def test_dead_channels():
    model = trained()
    with torch.no_grad():
        model.bn1.bias[:4] = -30
    d = on_test(model)
    assert first(d) == "dead_channels"
    assert d.findings[0].number == 0.5


def test_never_updated():
    model = trained()
    for m in (model.bn1, model.bn2):
        m.reset_running_stats()
    assert first(on_test(model)) == "never_updated"


def test_wrong_eps():
    model = trained(scale=0.1, eps=1e-3)
    assert first(on_test(model, scale=0.1)) == "none"
    model.bn1.eps = model.bn2.eps = 1e-5
    d = on_test(model, scale=0.1)
    assert first(d) == "wrong_eps"
    assert d.findings[0].number == 1e-3


def test_nan_is_followed_to_where_it_began():
    model = trained()
    with torch.no_grad():
        model.conv2.weight[0, 0, 0, 0] = float("nan")
    d = on_test(model)
    assert first(d) == "non_finite"
    assert d.findings[0].layers == ["conv2.weight"]


def test_a_loss_of_ones_own_is_measured():
    d = on_test(trained(), loss=lambda out, y: (out * 0).sum() + 3.0)
    assert d.data["loss"] == pytest.approx(3.0)


def test_the_model_is_left_as_it_was():
    model = trained().train()
    model.bn1.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    on_test(model)
    assert model.training and not model.bn1.training and model.drop.training
    assert "forward" not in vars(model.bn1)
    assert not model.conv1._forward_hooks
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_wrong_batches_are_refused():
    with pytest.raises(TypeError, match="batches of tensors"):
        study.diagnose(Small(), [("x", "y")])
    with pytest.raises(ValueError, match="no samples"):
        study.diagnose(Small(), [])

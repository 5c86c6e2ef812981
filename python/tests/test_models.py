import pytest

import ballast as torch
from ballast import models, nn

# torchvision's numbers of parameters.
SIZES = {
    "resnet18": 11689512,
    "resnet50": 25557032,
    "mobilenet_v2": 3504872,
    "densenet121": 7978856,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_network_has_torchvisions_number_of_parameters(name):
    model = getattr(models, name)()
    assert sum(p.numel() for p in model.parameters()) == SIZES[name]


def test_weights_come_from_a_state_dict_or_a_file(tmp_path):
    torch.manual_seed(1)
    given = models.resnet20(num_classes=3)
    path = tmp_path / "weights.safetensors"
    torch.save(given.state_dict(), path)
    for weights in (given.state_dict(), path, str(path)):
        loaded = models.resnet20(num_classes=3, weights=weights)
        for a, b in zip(given.parameters(), loaded.parameters(), strict=True):
            assert torch.equal(a, b)
    with pytest.raises(ValueError, match="nothing is downloaded"):
        models.resnet18(weights="IMAGENET1K_V1")


def test_a_norm_layer_of_identities_leaves_batch_norm_out():
    for make in (models.resnet20, models.densenet121, models.mobilenet_v2):
        model = make(norm_layer=nn.Identity, num_classes=5)
        assert not any("running" in key for key in model.state_dict())
        assert model.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 5)

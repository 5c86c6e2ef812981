"""Networks of fully connected layers."""

from .. import nn
from ..nn import functional as F

_MLP_WIDTH = 512
_MLP_DEPTH = 4


class Net(nn.Module):
    """Linear(10, 20), batch norm, ReLU, Linear(20, classes): (N, 10) to (N, num_classes)."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.fc1 = nn.Linear(10, 20)
        self.bn1 = nn.BatchNorm1d(20)
        self.fc2 = nn.Linear(20, num_classes)

    def forward(self, x):
        """Compute the logits."""
        return self.fc2(F.relu(self.bn1(self.fc1(x))))


class CustomModel(nn.Module):
    """Linear(64, 128), batch norm, ReLU, Linear, batch norm: (N, 64) to (N, num_classes)."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.bn1 = nn.BatchNorm1d(128)
        self.fc2 = nn.Linear(128, num_classes)
        self.bn2 = nn.BatchNorm1d(num_classes)

    def forward(self, x):
        """Compute the logits."""
        return self.bn2(self.fc2(F.relu(self.bn1(self.fc1(x)))))


class Mlp(nn.Module):
    """Four times Linear to 512, batch norm, ReLU; then Linear: (N, in_features) to (N, classes)."""

    def __init__(self, in_features: int = 64, num_classes: int = 10):
        super().__init__()
        layers = []
        for width in (in_features, *[_MLP_WIDTH] * (_MLP_DEPTH - 1)):
            layers += [nn.Linear(width, _MLP_WIDTH), nn.BatchNorm1d(_MLP_WIDTH), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(_MLP_WIDTH, num_classes)

    def forward(self, x):
        """Compute the logits."""
        return self.fc(self.layers(x))

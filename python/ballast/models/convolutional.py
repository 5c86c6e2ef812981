"""Small convolutional networks."""

from .. import flatten, nn
from ..nn import functional as F


class MyModel(nn.Module):
    """Conv2d(3, 64, 3), batch norm, ReLU, mean of all pixels, Linear, batch norm.

    Of images (N, 3, H, W) with H, W >= 3, to (N, num_classes).
    """

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3)
        self.bn1 = nn.BatchNorm2d(64)
        self.fc = nn.Linear(64, num_classes)
        self.bn2 = nn.BatchNorm1d(num_classes)

    def forward(self, x):
        """Compute the logits."""
        x = F.adaptive_avg_pool2d(F.relu(self.bn1(self.conv1(x))), 1)
        return self.bn2(self.fc(flatten(x, 1)))


class Cnn(nn.Module):
    """Three 3x3 convolutions (32, 64, 64 channels) with batch norm and ReLU, mean, Linear.

    A 2x2 max-pooling follows the second. Of images (N, in_channels, H, W) with H, W >= 2, to
    (N, num_classes).
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 32, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64, 64, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(64)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        """Compute the logits."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        x = F.adaptive_avg_pool2d(F.relu(self.bn3(self.conv3(x))), 1)
        return self.fc(flatten(x, 1))

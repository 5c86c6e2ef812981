"""Plain stacks of 3x3 convolutions (Simonyan and Zisserman, 2015, arXiv:1409.1556)."""

from __future__ import annotations

from collections.abc import Sequence

from .. import flatten, nn
from ._weights import with_weights

# Convolutions per stage; the stages have these channels, and end with a max-pooling.
_CHANNELS = (64, 128, 256, 512, 512)
_VGG11 = (1, 1, 2, 2, 2)
_VGG13 = (2, 2, 2, 2, 2)
_VGG16 = (2, 2, 3, 3, 3)
_VGG19 = (2, 2, 4, 4, 4)


class VGG(nn.Module):
    """`features`, a mean-pooling to 7x7 pixels, and three Linear layers with dropout between.

    Images (N, 3, H, W) with H, W >= 32 to (N, num_classes).

    Parameters
    ----------
    features : Module
        Images to (N, 512, H', W').
    num_classes : int
        Classes told apart.
    init_weights : bool
        Whether to draw the initial values of the paper's successors (He et al., 2015, by fan-out;
        the Linear layers with standard deviation 0.01) rather than the layers' own.
    dropout : float
        Probability of dropout between the Linear layers.
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            self._initialize()

    def _initialize(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
            if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None:
                nn.init.zeros_(m.bias)

    def forward(self, x):
        """Compute the logits."""
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))


def make_layers(depths: Sequence[int], batch_norm: bool = False) -> nn.Sequential:
    """Stack `depths` convolutions per stage, with or without batch norm."""
    layers, in_channels = [], 3
    for depth, channels in zip(depths, _CHANNELS, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(in_channels, channels, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU(inplace=True))
            in_channels = channels
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


def _vgg(depths: Sequence[int], batch_norm: bool, weights, kwargs: dict) -> VGG:
    if weights is not None:
        kwargs["init_weights"] = False
    return with_weights(VGG(make_layers(depths, batch_norm), **kwargs), weights)


def vgg11(*, weights=None, progress: bool = True, **kwargs) -> VGG:
    """VGG-11 without batch norm; further arguments are those of `VGG`."""
    return _vgg(_VGG11, False, weights, kwargs)


def vgg11_bn(*, weights=None, progress: bool = True, **kwargs) -> VGG:
    """VGG-11 with batch norm; further arguments are those of `VGG`."""
    return _vgg(_VGG11, True, weights, kwargs)


def vgg13(*, weights=None, progress: bool = True, **kwargs) -> VGG:
    """VGG-13 without batch norm; further arguments are those of `VGG`."""
    return _vgg(_VGG13, False, weights, kwargs)


def vgg13_bn(*, weights=None, progress: bool = True, **kwargs) -> VGG:
    """VGG-13 with batch norm; further arguments are those of `VGG`."""
    return _vgg(_VGG13, True, weights, kwargs)


def vgg16(*, weights=None, progress: bool = True, **kwargs) -> VGG:
    """VGG-16 without batch norm; further arguments are those of `VGG`."""
    return _vgg(_VGG16, False, weights, kwargs)


def vgg16_bn(*, weights=None, progress: bool = True, **kwargs) -> VGG:
    """VGG-16 with batch norm; further arguments are those of `VGG`."""
    return _vgg(_VGG16, True, weights, kwargs)


def vgg19(*, weights=None, progress: bool = True, **kwargs) -> VGG:
    """VGG-19 without batch norm; further arguments are those of `VGG`."""
    return _vgg(_VGG19, False, weights, kwargs)


def vgg19_bn(*, weights=None, progress: bool = True, **kwargs) -> VGG:
    """VGG-19 with batch norm; further arguments are those of `VGG`."""
    return _vgg(_VGG19, True, weights, kwargs)

"""Residual networks for small images: CIFAR's of He, Zhang, Ren and Sun (2016), 6n + 2 layers."""

from __future__ import annotations

from collections.abc import Callable

from .. import flatten, nn
from ._weights import with_weights
from .resnet import BasicBlock, conv1x1, conv3x3, initialize


class CifarResNet(nn.Module):
    """3x3 convolution to 16 channels, three stages of `blocks` blocks, mean of all pixels, Linear.

    Shortcuts that change shape are 1x1 convolutions (the paper's option B). Images
    (N, in_channels, H, W) to (N, num_classes).

    Parameters
    ----------
    blocks : int
        Blocks per stage: n of the 6n + 2 layers.
    num_classes, in_channels : int
        Classes told apart; channels of an image.
    norm_layer : callable, optional
        Makes a normalization layer of that many channels; ``nn.Identity`` leaves it out.
    """

    def __init__(
        self,
        blocks: int,
        num_classes: int = 10,
        in_channels: int = 3,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.conv1 = conv3x3(in_channels, 16)
        self.bn1 = self._norm_layer(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = self._make_layer(16, 16, blocks, 1)
        self.layer2 = self._make_layer(16, 32, blocks, 2)
        self.layer3 = self._make_layer(32, 64, blocks, 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(64, num_classes)
        initialize(self)

    def _make_layer(self, inplanes: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
        norm_layer, downsample = self._norm_layer, None
        if stride != 1 or inplanes != planes:
            downsample = nn.Sequential(conv1x1(inplanes, planes, stride), norm_layer(planes))
        stage = [BasicBlock(inplanes, planes, stride, downsample, norm_layer=norm_layer)]
        for _ in range(1, blocks):
            stage.append(BasicBlock(planes, planes, norm_layer=norm_layer))
        return nn.Sequential(*stage)

    def forward(self, x):
        """Compute the logits."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(flatten(self.avgpool(x), 1))


def resnet20(*, weights=None, progress: bool = True, **kwargs) -> CifarResNet:
    """ResNet-20 for CIFAR; further arguments are those of `CifarResNet`."""
    return with_weights(CifarResNet(3, **kwargs), weights)


def resnet32(*, weights=None, progress: bool = True, **kwargs) -> CifarResNet:
    """ResNet-32 for CIFAR; further arguments are those of `CifarResNet`."""
    return with_weights(CifarResNet(5, **kwargs), weights)


def resnet44(*, weights=None, progress: bool = True, **kwargs) -> CifarResNet:
    """ResNet-44 for CIFAR; further arguments are those of `CifarResNet`."""
    return with_weights(CifarResNet(7, **kwargs), weights)


def resnet56(*, weights=None, progress: bool = True, **kwargs) -> CifarResNet:
    """ResNet-56 for CIFAR; further arguments are those of `CifarResNet`."""
    return with_weights(CifarResNet(9, **kwargs), weights)


def resnet110(*, weights=None, progress: bool = True, **kwargs) -> CifarResNet:
    """ResNet-110 for CIFAR; further arguments are those of `CifarResNet`."""
    return with_weights(CifarResNet(18, **kwargs), weights)

"""Densely connected networks (Huang, Liu, van der Maaten, Weinberger, 2017, arXiv:1608.06993)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from .. import cat, flatten, nn
from ..nn import functional as F
from ._weights import with_weights


class _DenseLayer(nn.Module):
    """Batch norm, ReLU, 1x1 convolution; batch norm, ReLU, 3x3 convolution to new channels."""

    def __init__(
        self,
        num_input_features: int,
        growth_rate: int,
        bn_size: int,
        drop_rate: float,
        norm_layer: Callable[[int], nn.Module],
    ):
        super().__init__()
        self.norm1 = norm_layer(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, bn_size * growth_rate, 1, bias=False)
        self.norm2 = norm_layer(bn_size * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, features):
        """Compute new channels from a list of all that came before."""
        x = self.conv1(self.relu1(self.norm1(cat(features, 1))))
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, self.drop_rate, self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    """Layers, each of which reads what all before it made."""

    def __init__(self, num_layers: int, num_input_features: int, growth_rate: int, *options):
        super().__init__()
        for i in range(num_layers):
            width = num_input_features + i * growth_rate
            self.add_module(f"denselayer{i + 1}", _DenseLayer(width, growth_rate, *options))

    def forward(self, x):
        """Append the channels of all layers to those of `x`."""
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Halves channels and size."""

    def __init__(self, num_input_features: int, num_output_features: int, norm_layer):
        super().__init__()
        self.norm = norm_layer(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """Dense blocks with transitions between, mean of all pixels, Linear (DenseNet-BC).

    Images (N, 3, H, W) to (N, num_classes).

    Parameters
    ----------
    growth_rate : int
        Channels that a layer adds.
    block_config : sequence of int
        Layers per block.
    num_init_features : int
        Channels of the first convolution.
    bn_size : int
        The 1x1 convolution of a layer has this many times `growth_rate` channels.
    drop_rate : float
        Probability of dropout after every layer.
    num_classes : int
        Classes told apart.
    memory_efficient : bool
        Accepted for torchvision's sake; a plan keeps what the backward pass needs.
    small_images : bool
        Whether the first convolution is 3x3 of stride 1 without a pooling, as for CIFAR.
    norm_layer : callable, optional
        Makes a normalization layer of that many channels; ``nn.Identity`` leaves it out.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
        *,
        small_images: bool = False,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        stem = {"kernel_size": 3, "padding": 1}
        if not small_images:
            stem = {"kernel_size": 7, "stride": 2, "padding": 3}
        layers = [
            ("conv0", nn.Conv2d(3, num_init_features, bias=False, **stem)),
            ("norm0", norm_layer(num_init_features)),
            ("relu0", nn.ReLU(inplace=True)),
        ]
        if not small_images:
            layers.append(("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)))
        width = num_init_features
        for i, depth in enumerate(block_config, 1):
            block = _DenseBlock(depth, width, growth_rate, bn_size, drop_rate, norm_layer)
            layers.append((f"denseblock{i}", block))
            width += depth * growth_rate
            if i < len(block_config):
                layers.append((f"transition{i}", _Transition(width, width // 2, norm_layer)))
                width //= 2
        layers.append(("norm5", norm_layer(width)))
        self.features = nn.Sequential(OrderedDict(layers))
        self.classifier = nn.Linear(width, num_classes)
        self._initialize()

    def _initialize(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.Linear):
                nn.init.zeros_(m.bias)

    def forward(self, x):
        """Compute the logits."""
        x = F.adaptive_avg_pool2d(F.relu(self.features(x)), (1, 1))
        return self.classifier(flatten(x, 1))


def _densenet(weights, kwargs: dict, *shape) -> DenseNet:
    names = ("growth_rate", "block_config", "num_init_features")
    return with_weights(DenseNet(**{**dict(zip(names, shape, strict=True)), **kwargs}), weights)


def densenet121(*, weights=None, progress: bool = True, **kwargs) -> DenseNet:
    """DenseNet-121; further arguments are those of `DenseNet`."""
    return _densenet(weights, kwargs, 32, (6, 12, 24, 16), 64)


def densenet161(*, weights=None, progress: bool = True, **kwargs) -> DenseNet:
    """DenseNet-161; further arguments are those of `DenseNet`."""
    return _densenet(weights, kwargs, 48, (6, 12, 36, 24), 96)


def densenet169(*, weights=None, progress: bool = True, **kwargs) -> DenseNet:
    """DenseNet-169; further arguments are those of `DenseNet`."""
    return _densenet(weights, kwargs, 32, (6, 12, 32, 32), 64)


def densenet201(*, weights=None, progress: bool = True, **kwargs) -> DenseNet:
    """DenseNet-201; further arguments are those of `DenseNet`."""
    return _densenet(weights, kwargs, 32, (6, 12, 48, 32), 64)

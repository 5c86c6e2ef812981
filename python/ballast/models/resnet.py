"""Residual networks for large images (He, Zhang, Ren and Sun, 2016, arXiv:1512.03385)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import flatten, nn
from ._weights import with_weights


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """3x3 convolution that keeps the size; the batch norm after it has the bias."""
    return nn.Conv2d(
        in_planes,
        out_planes,
        3,
        stride=stride,
        padding=dilation,
        dilation=dilation,
        groups=groups,
        bias=False,
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """1x1 convolution; the batch norm after it has the bias."""
    return nn.Conv2d(in_planes, out_planes, 1, stride=stride, bias=False)


def initialize(model: nn.Module) -> None:
    """Draw all convolutions anew: He et al. (2015), by fan-out."""
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut around both."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x):
        """Compute relu(f(x) + shortcut(x))."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += shortcut
        return self.relu(out)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with batch norm, and a shortcut around all.

    The 3x3 convolution has the stride, as in torchvision ("ResNet V1.5").
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x):
        """Compute relu(f(x) + shortcut(x))."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += shortcut
        return self.relu(out)


class ResNet(nn.Module):
    """Residual network: 7x7 stem, max-pooling, four stages of blocks, mean of all pixels, Linear.

    Images (N, 3, H, W) to (N, num_classes).

    Parameters
    ----------
    block : class
        `BasicBlock` or `Bottleneck`.
    layers : sequence of int
        Blocks per stage.
    num_classes : int
        Classes told apart.
    zero_init_residual : bool
        Whether every block starts as its shortcut: its last batch norm's weight is zero.
    groups, width_per_group : int
        Groups of a bottleneck's 3x3 convolution, and their width in the first stage.
    replace_stride_with_dilation : sequence of bool, optional
        Which of the last three stages keep the size and dilate instead.
    norm_layer : callable, optional
        Makes a normalization layer of that many channels; ``nn.Identity`` leaves it out.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        dilate = (False, False, False)
        if replace_stride_with_dilation is not None:
            dilate = tuple(replace_stride_with_dilation)
        if len(dilate) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, got "
                f"{replace_stride_with_dilation}"
            )
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        initialize(self)
        if zero_init_residual:
            for m in self.modules():
                if isinstance(m, (BasicBlock, Bottleneck)):
                    last = m.bn3 if isinstance(m, Bottleneck) else m.bn2
                    if getattr(last, "weight", None) is not None:
                        nn.init.zeros_(last.weight)

    def _make_layer(
        self, block, planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        norm_layer, out_planes = self._norm_layer, planes * block.expansion
        first_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        downsample = None
        if stride != 1 or self.inplanes != out_planes:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, out_planes, stride), norm_layer(out_planes)
            )
        options = (self.groups, self.base_width)
        stage = [
            block(self.inplanes, planes, stride, downsample, *options, first_dilation, norm_layer)
        ]
        self.inplanes = out_planes
        for _ in range(1, blocks):
            stage.append(block(out_planes, planes, 1, None, *options, self.dilation, norm_layer))
        return nn.Sequential(*stage)

    def forward(self, x):
        """Compute the logits."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(flatten(self.avgpool(x), 1))


def resnet18(*, weights=None, progress: bool = True, **kwargs) -> ResNet:
    """ResNet-18; further arguments are those of `ResNet`."""
    return with_weights(ResNet(BasicBlock, [2, 2, 2, 2], **kwargs), weights)


def resnet34(*, weights=None, progress: bool = True, **kwargs) -> ResNet:
    """ResNet-34; further arguments are those of `ResNet`."""
    return with_weights(ResNet(BasicBlock, [3, 4, 6, 3], **kwargs), weights)


def resnet50(*, weights=None, progress: bool = True, **kwargs) -> ResNet:
    """ResNet-50; further arguments are those of `ResNet`."""
    return with_weights(ResNet(Bottleneck, [3, 4, 6, 3], **kwargs), weights)


def resnet101(*, weights=None, progress: bool = True, **kwargs) -> ResNet:
    """ResNet-101; further arguments are those of `ResNet`."""
    return with_weights(ResNet(Bottleneck, [3, 4, 23, 3], **kwargs), weights)


def resnet152(*, weights=None, progress: bool = True, **kwargs) -> ResNet:
    """ResNet-152; further arguments are those of `ResNet`."""
    return with_weights(ResNet(Bottleneck, [3, 8, 36, 3], **kwargs), weights)


def resnext50_32x4d(*, weights=None, progress: bool = True, **kwargs) -> ResNet:
    """ResNeXt-50 of 32 groups (Xie et al., 2017); further arguments are those of `ResNet`."""
    kwargs = {"groups": 32, "width_per_group": 4, **kwargs}
    return with_weights(ResNet(Bottleneck, [3, 4, 6, 3], **kwargs), weights)


def wide_resnet50_2(*, weights=None, progress: bool = True, **kwargs) -> ResNet:
    """Wide ResNet-50-2 (Zagoruyko and Komodakis, 2016); further arguments are those of `ResNet`."""
    kwargs = {"width_per_group": 128, **kwargs}
    return with_weights(ResNet(Bottleneck, [3, 4, 6, 3], **kwargs), weights)

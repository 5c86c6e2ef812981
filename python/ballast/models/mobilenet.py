"""MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov and Chen, 2018, arXiv:1801.04381)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import flatten, nn
from ..nn import functional as F
from ._weights import with_weights

# Expansion, channels, blocks and first stride of each stage.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def rounded_channels(channels: float, multiple: int) -> int:
    """Round to a multiple, but not down by more than a tenth."""
    rounded = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return rounded if rounded >= 0.9 * channels else rounded + multiple


class ConvNormActivation(nn.Sequential):
    """Convolution that keeps the size (but for the stride), normalization, ReLU6."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__(
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding=(kernel_size - 1) // 2,
                groups=groups,
                bias=False,
            ),
            (norm_layer or nn.BatchNorm2d)(out_channels),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    """1x1 convolution to more channels, one per channel, and a 1x1 convolution back."""

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: int,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.out_channels = oup
        hidden = int(round(inp * expand_ratio))
        norm_layer = norm_layer or nn.BatchNorm2d
        layers = []
        if expand_ratio != 1:
            layers.append(ConvNormActivation(inp, hidden, kernel_size=1, norm_layer=norm_layer))
        depthwise = ConvNormActivation(
            hidden, hidden, stride=stride, groups=hidden, norm_layer=norm_layer
        )
        layers += [depthwise, nn.Conv2d(hidden, oup, 1, bias=False), norm_layer(oup)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        """Compute f(x), plus x where it has that shape."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Inverted residuals between two convolutions, mean of all pixels, dropout, Linear.

    Images (N, 3, H, W) to (N, num_classes).

    Parameters
    ----------
    num_classes : int
        Classes told apart.
    width_mult : float
        Factor on the channels of every layer.
    inverted_residual_setting : sequence, optional
        Expansion, channels, blocks and first stride of each stage.
    round_nearest : int
        Channels are a multiple of this.
    block : callable, optional
        Makes a block as `InvertedResidual` does.
    norm_layer : callable, optional
        Makes a normalization layer of that many channels; ``nn.Identity`` leaves it out.
    dropout : float
        Probability of dropout before the Linear layer.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[[int], nn.Module] | None = None,
        dropout: float = 0.2,
    ):
        super().__init__()
        stages = _STAGES if inverted_residual_setting is None else inverted_residual_setting
        if len(stages) == 0 or len(stages[0]) != 4:
            raise ValueError(
                "inverted_residual_setting should be non-empty or a 4-element list, got "
                f"{inverted_residual_setting}"
            )
        block = block or InvertedResidual
        channels = rounded_channels(32 * width_mult, round_nearest)
        self.last_channel = rounded_channels(1280 * max(1.0, width_mult), round_nearest)
        features = [ConvNormActivation(3, channels, stride=2, norm_layer=norm_layer)]
        for expansion, width, blocks, first_stride in stages:
            out = rounded_channels(width * width_mult, round_nearest)
            for i in range(blocks):
                stride = first_stride if i == 0 else 1
                features.append(
                    block(channels, out, stride, expand_ratio=expansion, norm_layer=norm_layer)
                )
                channels = out
        features.append(
            ConvNormActivation(channels, self.last_channel, kernel_size=1, norm_layer=norm_layer)
        )
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        self._initialize()

    def _initialize(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out")
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
            if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None:
                nn.init.zeros_(m.bias)

    def forward(self, x):
        """Compute the logits."""
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(flatten(x, 1))


def mobilenet_v2(*, weights=None, progress: bool = True, **kwargs) -> MobileNetV2:
    """MobileNetV2; further arguments are those of the class."""
    return with_weights(MobileNetV2(**kwargs), weights)

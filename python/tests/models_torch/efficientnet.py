"""Depthwise convolutions with squeeze-and-excitation and swish (Tan and Le, 2019)."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def swish(x):
    return x * x.sigmoid()


def drop_connect(x, drop_ratio):
    keep_ratio = 1.0 - drop_ratio
    mask = torch.empty([x.shape[0], 1, 1, 1], dtype=x.dtype, device=x.device)
    mask.bernoulli_(keep_ratio)
    x.div_(keep_ratio)
    x.mul_(mask)
    return x


class SE(nn.Module):
    def __init__(self, in_channels, se_channels):
        super(SE, self).__init__()
        self.se1 = nn.Conv2d(in_channels, se_channels, kernel_size=1, bias=True)
        self.se2 = nn.Conv2d(se_channels, in_channels, kernel_size=1, bias=True)

    def forward(self, x):
        out = F.adaptive_avg_pool2d(x, (1, 1))
        out = swish(self.se1(out))
        out = self.se2(out).sigmoid()
        out = x * out
        return out


class Block(nn.Module):
    """expansion + depthwise + pointwise + squeeze-excitation"""

    def __init__(self, cin, cout, kernel_size, stride, expand_ratio, se_ratio=0.25, drop_rate=0.0):
        super(Block, self).__init__()
        self.stride, self.drop_rate, self.expand_ratio = stride, drop_rate, expand_ratio
        channels = expand_ratio * cin
        self.conv1 = nn.Conv2d(cin, channels, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
        padding = 1 if kernel_size == 3 else 2
        self.conv2 = nn.Conv2d(
            channels, channels, kernel_size, stride, padding, groups=channels, bias=False
        )
        self.bn2 = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
        self.se = SE(channels, max(1, int(cin * se_ratio)))
        self.conv3 = nn.Conv2d(channels, cout, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(cout)
        self.has_skip = (stride == 1) and (cin == cout)

    def forward(self, x):
        out = x if self.expand_ratio == 1 else swish(self.bn1(self.conv1(x)))
        out = swish(self.bn2(self.conv2(out)))
        out = self.se(out)
        out = self.bn3(self.conv3(out))
        if self.has_skip:
            if self.training and self.drop_rate > 0:
                out = drop_connect(out, self.drop_rate)
            out = out + x
        return out


class EfficientNet(nn.Module):
    def __init__(self, num_classes=10):
        super(EfficientNet, self).__init__()
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layers = nn.Sequential(
            Block(8, 8, 3, 1, 1, drop_rate=0.2),
            Block(8, 12, 5, 2, 3),
            Block(12, 12, 3, 1, 2, drop_rate=0.2),
        )
        self.head = nn.Sequential(nn.SiLU(inplace=True), nn.Hardswish())
        self.linear = nn.Linear(12, num_classes)

    def forward(self, x):
        out = swish(self.bn1(self.conv1(x)))
        out = self.head(self.layers(out))
        out = F.adaptive_avg_pool2d(out, 1)
        out = out.view(out.size(0), -1)
        if self.training:
            out = F.dropout(out, p=0.2)
        return self.linear(out)


NETS = {"efficientnet": EfficientNet}

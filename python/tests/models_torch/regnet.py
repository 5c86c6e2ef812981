"""Stages of grouped bottlenecks (Radosavovic et al., 2020)."""

from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F


class SE(nn.Module):
    """Squeeze-and-Excitation block."""

    def __init__(self, in_planes, se_planes, activation=nn.ReLU):
        super(SE, self).__init__()
        self.se1 = nn.Conv2d(in_planes, se_planes, kernel_size=1, bias=True)
        self.act = activation()
        self.se2 = nn.Conv2d(se_planes, in_planes, kernel_size=1, bias=True)

    def forward(self, x):
        out = F.adaptive_avg_pool2d(x, (1, 1))
        out = self.act(self.se1(out))
        return x * torch.sigmoid(self.se2(out))


class Block(nn.Module):
    def __init__(self, w_in, w_out, stride, group_width, bottleneck_ratio, se_ratio, norm_layer):
        super(Block, self).__init__()
        w_b = int(round(w_out * bottleneck_ratio))
        self.conv1 = nn.Conv2d(w_in, w_b, kernel_size=1, bias=False)
        self.bn1 = norm_layer(w_b)
        self.conv2 = nn.Conv2d(
            w_b, w_b, 3, stride=stride, padding=1, groups=w_b // group_width, bias=False
        )
        self.bn2 = norm_layer(w_b)
        self.with_se = se_ratio > 0
        if self.with_se:
            self.se = SE(w_b, int(round(w_in * se_ratio)))
        self.conv3 = nn.Conv2d(w_b, w_out, kernel_size=1, bias=False)
        self.bn3 = norm_layer(w_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or w_in != w_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(w_in, w_out, kernel_size=1, stride=stride, bias=False), norm_layer(w_out)
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        if self.with_se:
            out = self.se(out)
        out = self.bn3(self.conv3(out))
        out += self.shortcut(x)
        return F.relu(out)


class RegNet(nn.Module):
    def __init__(self, cfg, num_classes=10):
        super(RegNet, self).__init__()
        self.cfg = cfg
        norm_layer = partial(nn.BatchNorm2d, eps=1e-5, momentum=0.1)
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = norm_layer(8)
        width, stages = 8, nn.ModuleList()
        for depth, w_out, stride in zip(cfg["depths"], cfg["widths"], cfg["strides"]):
            blocks = []
            for i in range(depth):
                s = stride if i == 0 else 1
                blocks.append(
                    Block(width, w_out, s, cfg["group_width"], 1, cfg["se_ratio"], norm_layer)
                )
                width = w_out
            stages.append(nn.Sequential(*blocks))
        self.stages = stages
        self.linear = nn.Linear(width, num_classes)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        for stage in self.stages:
            out = stage(out)
        out = F.adaptive_avg_pool2d(out, (1, 1))
        out = out.view(out.size(0), -1)
        return self.linear(out)


def regnet_y():
    return RegNet(
        {
            "depths": [1, 2],
            "widths": [8, 16],
            "strides": [1, 2],
            "group_width": 4,
            "se_ratio": 0.25,
        }
    )


NETS = {"regnet": regnet_y}

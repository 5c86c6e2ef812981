"""A plain chain of convolutions with batch normalization (Simonyan and Zisserman, 2015)."""

import torch
import torch.nn as nn

CONFIGURATION = [8, "M", 16, 16, "M", 24, "M"]


def make_layers(configuration, batch_norm=True):
    layers = []
    in_channels = 3
    for v in configuration:
        if v == "M":
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        else:
            conv2d = nn.Conv2d(in_channels, v, kernel_size=3, padding=1)
            if batch_norm:
                layers += [conv2d, nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
            else:
                layers += [conv2d, nn.ReLU(inplace=True)]
            in_channels = v
    layers += [nn.AvgPool2d(kernel_size=1, stride=1)]
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, features, num_classes=10, init_weights=True):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(
            nn.Linear(24 * 2 * 2, 32),
            nn.ReLU(True),
            nn.Dropout(p=0.0),
            nn.Linear(32, num_classes),
        )
        if init_weights:
            for m in self.modules():
                if isinstance(m, nn.Linear):
                    nn.init.normal_(m.weight, 0, 0.1)
                    nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = x.view(x.size(0), -1)
        return self.classifier(x)


def vgg_bn():
    return VGG(make_layers(CONFIGURATION))


NETS = {"vgg_bn": vgg_bn}
assert torch.Tensor is not None

"""Networks by name: torchvision's classifiers, CIFAR's residual networks and the small examples.

The functions have torchvision's names, arguments and state-dict keys, and the same seed gives the
same initial values. Nothing is downloaded: ``weights`` is a state dict or the path of a file.

These modules name their library only by relative imports, so they are PyTorch programs as well:
mounted under another package (``bench/libraries.py`` does so), they build that package's modules.
"""

from .convolutional import Cnn, MyModel
from .densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from .mobilenet import MobileNetV2, mobilenet_v2
from .perceptrons import CustomModel, Mlp, Net
from .resnet import (
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    wide_resnet50_2,
)
from .resnet_cifar import CifarResNet, resnet20, resnet32, resnet44, resnet56, resnet110
from .vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "VGG",
    "CifarResNet",
    "Cnn",
    "CustomModel",
    "DenseNet",
    "Mlp",
    "MobileNetV2",
    "MyModel",
    "Net",
    "ResNet",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "mobilenet_v2",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "resnext50_32x4d",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet50_2",
]

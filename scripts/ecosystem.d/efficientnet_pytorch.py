import common
import torch
from efficientnet_pytorch import EfficientNet

torch.manual_seed(0)
model = EfficientNet.from_name(
    "efficientnet-b0", num_classes=4, drop_connect_rate=0.0, dropout_rate=0.0
)
x, y = common.images(12, side=32)
common.train(model, x, y, steps=3)
common.show(model.eval()(x[:2]))

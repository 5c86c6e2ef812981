import common
import torch
from torch_ema import ExponentialMovingAverage

x, y = common.images()
model = common.network()
average = ExponentialMovingAverage(model.parameters(), decay=0.9)
for i in range(8):
    common.train(model, x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8], steps=1)
    average.update()
with average.average_parameters(), torch.no_grad():
    common.show(model.eval()(x[:4]))
common.show(model(x[:4]))

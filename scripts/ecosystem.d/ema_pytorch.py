import common
from ema_pytorch import EMA

x, y = common.images()
model = common.network()
average = EMA(model, beta=0.9, update_after_step=2, update_every=1)
for i in range(8):
    common.train(model, x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8], steps=1)
    average.update()
average.eval()
common.show(average(x[:8]))

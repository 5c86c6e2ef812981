import common
import torch
from torch.utils.data import DataLoader, TensorDataset
from torch_lr_finder import LRFinder

x, y = common.images()
model = common.network()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
finder = LRFinder(model, optimizer, torch.nn.CrossEntropyLoss(), device="cpu")
finder.range_test(DataLoader(TensorDataset(x, y), 8), end_lr=1, num_iter=10)
for value in finder.history["loss"]:
    common.show(value)
common.show(finder.history["lr"])
finder.reset()

import common
import torch
from fastai.callback.all import *  # noqa: F403
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.metrics import accuracy
from torch.utils.data import TensorDataset

x, y = common.images()
torch.manual_seed(0)
data = TensorDataset(x, y)
loaders = DataLoaders(DataLoader(data, bs=8), DataLoader(data, bs=16), device=torch.device("cpu"))
learner = Learner(loaders, common.network(), torch.nn.CrossEntropyLoss(), metrics=accuracy)
with learner.no_bar(), learner.no_logging():
    learner.fit_one_cycle(2, 1e-2)
for row in learner.recorder.values:
    common.show(list(row))
common.show(torch.stack(learner.recorder.losses))

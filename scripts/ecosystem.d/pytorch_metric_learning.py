import common
import torch
from pytorch_metric_learning import distances, losses, miners, testers, trainers  # noqa: F401
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator  # noqa: F401

x, y = common.images()
model = common.network(classes=8)
miner = miners.MultiSimilarityMiner()
for loss in (
    losses.TripletMarginLoss(distance=distances.CosineSimilarity()),
    losses.ContrastiveLoss(),
    losses.NTXentLoss(),
    losses.MultiSimilarityLoss(),
):
    common.train(model, x, y, 3, 16, loss=lambda a, b, loss=loss: loss(a, b, miner(a, b)))
torch.manual_seed(0)
common.train(model, x, y, 3, 16, loss=losses.ArcFaceLoss(4, 8))

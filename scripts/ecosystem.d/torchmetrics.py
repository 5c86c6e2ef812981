import common
import torch
import torchmetrics

torch.manual_seed(0)
scores, labels = torch.randn(100, 4).softmax(1), torch.randint(4, (100,))
metrics = torchmetrics.MetricCollection(
    {
        "accuracy": torchmetrics.Accuracy(task="multiclass", num_classes=4),
        "f1": torchmetrics.F1Score(task="multiclass", num_classes=4, average="macro"),
        "confusion": torchmetrics.ConfusionMatrix(task="multiclass", num_classes=4),
        "auroc": torchmetrics.AUROC(task="multiclass", num_classes=4),
        "calibration": torchmetrics.CalibrationError(task="multiclass", num_classes=4),
    }
)
for part in range(4):
    metrics.update(scores[part * 25 : part * 25 + 25], labels[part * 25 : part * 25 + 25])
for value in metrics.compute().values():
    common.show(value)
a, b = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
common.show(torchmetrics.image.StructuralSimilarityIndexMeasure(data_range=1.0)(a, b))
common.show(torchmetrics.image.PeakSignalNoiseRatio(data_range=1.0)(a, b))
common.show(
    torchmetrics.MeanSquaredError()(a, b), torchmetrics.PearsonCorrCoef()(a.ravel(), b.ravel())
)

import common
import segmentation_models_pytorch as smp
import torch

torch.manual_seed(0)
model = smp.Unet("resnet18", encoder_weights=None, classes=3)
x, y = torch.randn(16, 3, 64, 64), torch.randint(3, (16, 64, 64))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
common.train(model, x, y, batch=4, optimizer=optimizer, loss=smp.losses.DiceLoss("multiclass"))
with torch.no_grad():
    model.eval()
    counts = smp.metrics.get_stats(model(x[:4]).argmax(1), y[:4], mode="multiclass", num_classes=3)
common.show(smp.metrics.iou_score(*counts, reduction="macro"))

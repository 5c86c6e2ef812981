import common
import pretrainedmodels
import torch

for name, side in (("bninception", 224), ("resnet18", 64)):
    torch.manual_seed(0)
    model = pretrainedmodels.__dict__[name](num_classes=1000, pretrained=None)
    x, y = common.images(4, side=side)
    common.train(model, x, y, steps=2, batch=2, optimizer=torch.optim.SGD(model.parameters(), 1e-3))
    model.eval()
    common.show(model(x[:1])[0, :5])

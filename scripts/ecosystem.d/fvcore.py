import common
import torch
from fvcore.common.checkpoint import Checkpointer
from fvcore.nn import (
    FlopCountAnalysis,
    giou_loss,
    parameter_count,
    parameter_count_table,
    sigmoid_focal_loss,
    smooth_l1_loss,
)
from fvcore.nn.precise_bn import update_bn_stats

x, y = common.images()
model = common.network()
common.show(parameter_count(model)[""])
print(parameter_count_table(model))
a, b = torch.randn(8, 4), torch.rand(8, 4).round()
common.show(sigmoid_focal_loss(a, b, reduction="mean"), smooth_l1_loss(a, b, 0.5, "mean"))
boxes = torch.rand(4, 4) + torch.tensor([0.0, 0.0, 1.0, 1.0])
common.show(giou_loss(boxes, boxes.flip(0), "sum"))
update_bn_stats(model, [x[:32], x[32:]], 2)
common.show(model[1].running_var)
Checkpointer(model, ".").save("model")
Checkpointer(model, ".").load("model.pth")
common.show(FlopCountAnalysis(model, x[:1]).total())

import common
import torch
from captum.attr import (
    DeepLift,
    FeatureAblation,
    GuidedBackprop,
    IntegratedGradients,
    LayerGradCam,
    Occlusion,
    Saliency,
)

x, _ = common.images(4)
model = common.network().eval()
for method in (Saliency, IntegratedGradients, DeepLift, GuidedBackprop):
    common.show(method(model).attribute(x, target=1).sum((1, 2, 3)))
common.show(LayerGradCam(model, model[4]).attribute(x, target=1).sum((1, 2, 3)))
common.show(Occlusion(model).attribute(x, (3, 16, 16), (3, 16, 16), target=1).sum((1, 2, 3)))
mask = torch.arange(32).div(8, rounding_mode="floor").expand(1, 3, 32, 32)
common.show(FeatureAblation(model).attribute(x, target=1, feature_mask=mask).sum((1, 2, 3)))
torch.manual_seed(0)

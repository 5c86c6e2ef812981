import common
import torch
from thop import clever_format, profile

macs, parameters = profile(common.network(), inputs=(torch.randn(1, 3, 32, 32),), verbose=False)
common.show(macs, parameters)
print(*clever_format([macs, parameters]))

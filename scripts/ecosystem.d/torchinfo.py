import common
from torchinfo import summary

info = summary(common.network(), input_size=(2, 3, 32, 32), verbose=0)
print(info)
common.show(info.total_params, info.total_mult_adds, info.total_output_bytes)

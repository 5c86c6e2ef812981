import common
from ptflops import get_model_complexity_info

# The other backend, "aten", counts by a mode below autograd, which Ballast does not have.
macs, parameters = get_model_complexity_info(
    common.network(),
    (3, 32, 32),
    as_strings=False,
    print_per_layer_stat=True,
    backend="pytorch",
)
common.show(macs, parameters)

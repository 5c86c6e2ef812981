import common
from ptflops import get_model_complexity_info

for backend in ("pytorch", "aten"):
    macs, parameters = get_model_complexity_info(
        common.network(), (3, 32, 32), as_strings=False, print_per_layer_stat=True, backend=backend
    )
    common.show(macs, parameters)

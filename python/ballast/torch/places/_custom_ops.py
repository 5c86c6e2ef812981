"""torchvision's shape functions ask here for sizes that only a compiler needs."""

from ._refuse import refused

get_ctx = refused("torch._custom_ops.get_ctx", "shapes are always known")

"""lightning counts operations by this mode, if asked; Ballast has no such mode."""

from .._refuse import refused


class FlopCounterMode:
    """Refuses to be made: operations are not dispatched below autograd."""

    __init__ = refused("FlopCounterMode", "use ballast.explain, or thop")

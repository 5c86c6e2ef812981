"""Numbers not known yet, which packages ask for by ``isinstance``: no size here is one."""

from ._refuse import refused

_INSTEAD = "sizes are whole numbers of Python"


class SymInt:
    """Refuses to be made; nothing is one."""

    __init__ = refused("torch.SymInt", _INSTEAD)


class SymFloat:
    """Refuses to be made; nothing is one."""

    __init__ = refused("torch.SymFloat", _INSTEAD)


class SymBool:
    """Refuses to be made; nothing is one."""

    __init__ = refused("torch.SymBool", _INSTEAD)

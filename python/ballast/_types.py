"""Small types that tensors are described with."""

from __future__ import annotations

from collections import namedtuple

from . import _core


class Size(tuple):
    """The sizes of a tensor's dimensions."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def numel(self) -> int:
        """Count the elements of a tensor of this size."""
        n = 1
        for d in self:
            n *= d
        return n

    def __getitem__(self, index):
        item = tuple.__getitem__(self, index)
        return Size(item) if isinstance(index, slice) else item

    def __add__(self, other):
        return Size(tuple(self) + tuple(other))


class device:
    """Where tensors live: the CPU.

    Parameters
    ----------
    type : str or device
        ``"cpu"``; anything else raises ``RuntimeError``.
    index : int, optional
        Ignored.
    """

    __slots__ = ("index", "type")

    def __init__(self, type: str | device = "cpu", index: int | None = None):
        name = type.type if isinstance(type, device) else str(type)
        if name.split(":")[0] != "cpu":
            raise RuntimeError(f"Ballast runs on CPUs; there is no device '{name}'")
        self.type = "cpu"
        self.index = index

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __str__(self) -> str:
        return "cpu"

    def __eq__(self, other) -> bool:
        return isinstance(other, device)

    def __hash__(self) -> int:
        return hash("cpu")


def _pair_type(name: str, first: str = "values", second: str = "indices"):
    fields = namedtuple(name, [first, second], module=__name__)

    def show(self) -> str:
        return f"torch.return_types.{name}(\n{first}={self[0]},\n{second}={self[1]})"

    return type(name, (fields,), {"__slots__": (), "__module__": __name__, "__repr__": show})


max = _pair_type("max")
min = _pair_type("min")
sort = _pair_type("sort")
topk = _pair_type("topk")
median = _pair_type("median")
kthvalue = _pair_type("kthvalue")
cummax = _pair_type("cummax")
cummin = _pair_type("cummin")
aminmax = _pair_type("aminmax", "min", "max")

_core._register(Size, device("cpu"))

"""Small types that tensors are described with."""

from __future__ import annotations

import re
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


_DEVICES = (
    *("cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga"),
    *("maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone"),
)


class device:
    """The name of a device: its type and, perhaps, its number.

    All of PyTorch's names are there, so that programs can make and compare them. Tensors live on
    the CPU: a function that takes a device raises ``RuntimeError`` for another.

    Parameters
    ----------
    type : str, int or device
        Such as ``"cpu"`` and ``"cuda:0"``; a number stands for a GPU.
    index : int, optional
        Which of the devices of that type.
    """

    __slots__ = ("_index", "_type")

    def __init__(self, type: str | int | device, index: int | None = None):
        if isinstance(type, bool) or not isinstance(type, (str, int, device)):
            raise TypeError(f"a device is named by text such as 'cpu', got {type!r}")
        if isinstance(index, bool) or not isinstance(index, int | None):
            raise TypeError(
                f"device(): argument 'index' must be int, not {index.__class__.__name__}"
            )
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, str):
            type, index = _parsed(type, index)
        else:
            type, index = "cuda", type
        if index is not None and index < 0:
            raise RuntimeError("Device index must not be negative")
        self._type, self._index = type, index

    type = property(lambda self: self._type)
    index = property(lambda self: self._index)

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self):
        return device, (self.type,) if self.index is None else (self.type, self.index)


def _parsed(text: str, index: int | None) -> tuple[str, int | None]:
    """The type and index that a device's name stands for."""
    if not text:
        raise RuntimeError("Device string must not be empty")
    name, colon, number = text.partition(":")
    if not name.replace("_", "").isalpha() or (colon and not re.fullmatch("0|[1-9][0-9]*", number)):
        raise RuntimeError(f"Invalid device string: '{text}'")
    if name not in _DEVICES:
        raise RuntimeError(
            f"Expected one of {', '.join(_DEVICES)} device type at start of device string: {name}"
        )
    if colon and index is not None:
        raise RuntimeError(
            "type (string) must not include an index because index was passed explicitly: " + text
        )
    return name, int(number) if colon else index


def check_device(where: str | int | device) -> None:
    """Raise ``RuntimeError`` for a device that is not the CPU, on which all tensors are."""
    if where == "cpu":
        return
    named = where if isinstance(where, device) else device(where)
    if named.type != "cpu":
        raise RuntimeError(
            f"Ballast runs on CPUs; there is no device '{named}' (choose a device by "
            "torch.cuda.is_available(), which is False)"
        )


def _return_type(name: str, fields: str):
    base = namedtuple(name, fields, module=__name__)

    def show(self) -> str:
        rows = ",\n".join(f"{f}={v}" for f, v in zip(self._fields, self, strict=True))
        return f"torch.return_types.{name}(\n{rows})"

    return type(name, (base,), {"__slots__": (), "__module__": __name__, "__repr__": show})


# The named tuples that functions return, by PyTorch's names for their types.
_RETURNED = {
    "max min sort topk median nanmedian mode kthvalue cummax cummin": "values indices",
    "aminmax": "min max",
    "frexp": "mantissa exponent",
    "histogram": "hist bin_edges",
    "histogramdd": "hist bin_edges",
    "geqrf": "a tau",
    "lu_unpack linalg_lu": "P L U",
    "triangular_solve": "solution cloned_coefficient",
    "qr linalg_qr": "Q R",
    "svd": "U S V",
    "slogdet linalg_slogdet": "sign logabsdet",
    "linalg_svd": "U S Vh",
    "linalg_polar": "U H",
    "linalg_eigh": "eigenvalues eigenvectors",
    "linalg_solve_ex": "result info",
    "linalg_inv_ex": "inverse info",
    "linalg_cholesky_ex": "L info",
    "linalg_lu_factor": "LU pivots",
    "linalg_lu_factor_ex": "LU pivots info",
    "linalg_ldl_factor": "LD pivots",
    "linalg_ldl_factor_ex": "LD pivots info",
    "linalg_lstsq": "solution residuals rank singular_values",
}
globals().update({n: _return_type(n, f) for ns, f in _RETURNED.items() for n in ns.split()})

_core._register(Size, device("cpu"), check_device)

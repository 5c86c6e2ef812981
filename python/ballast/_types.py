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

_core._register(Size, device("cpu"))

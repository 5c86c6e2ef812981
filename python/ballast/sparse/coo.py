"""Tensors by the places and values of their elements."""

from __future__ import annotations

from typing import Any

from .. import _core, _dtypes
from .._core import Tensor
from .._create import as_tensor
from .._types import Size


class SparseTensor(Tensor):
    """A tensor of which only some elements are there; made by `sparse_coo_tensor`."""

    def __init__(self, indices: Tensor, values: Tensor, size, coalesced: bool, compressed=False):
        super().__init__(_core.empty(0, dtype=values.dtype), False)
        self._places, self._elements, self._size = indices, values, Size(size)
        self._coalesced, self._compressed = coalesced, compressed

    def _like(self, places: Tensor, elements: Tensor, size=None, coalesced: bool = False):
        return SparseTensor(places, elements, self._size if size is None else size, coalesced)

    is_sparse = property(lambda self: not self._compressed)
    is_sparse_csr = property(lambda self: self._compressed)
    layout = property(lambda self: _dtypes.sparse_csr if self._compressed else _dtypes.sparse_coo)
    shape = property(lambda self: self._size)
    dtype = property(lambda self: self._elements.dtype)
    requires_grad = property(lambda self: self._elements.requires_grad)
    grad_fn = property(lambda self: self._elements.grad_fn)
    is_leaf = property(lambda self: self._elements.is_leaf)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs=None) -> Any:
        """Compute what is there for sparse tensors; other operations raise by name."""
        name = getattr(func, "__name__", str(func))
        method = _METHODS.get(name)
        if method is None:
            raise NotImplementedError(
                f"{name} is not there for sparse tensors in Ballast: use to_dense() before"
            )
        return method(*args, **(kwargs or {}))

    def __repr__(self) -> str:
        kind = "csr" if self._compressed else "coo"
        return (
            f"tensor(indices={self._places},\n       values={self._elements},\n       "
            f"size={tuple(self._size)}, nnz={self._elements.shape[0]}, layout=torch.sparse_{kind})"
        )

    __str__ = __repr__

    def __reduce_ex__(self, protocol):
        state = (self._places, self._elements, tuple(self._size), self._coalesced, self._compressed)
        return SparseTensor, state

    def __deepcopy__(self, memo):
        return _METHODS["clone"](self)


def sparse_coo_tensor(
    indices,
    values,
    size=None,
    *,
    dtype=None,
    device=None,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """Make a sparse tensor.

    Parameters
    ----------
    indices : array_like
        (dimensions, elements): where the elements are; elements of one place are added up.
    values : array_like
        (elements, ...): what they are.
    size : sequence of int, optional
        The least that holds all of them unless given.

    Raises
    ------
    RuntimeError
        For places outside of the size.
    """
    places = as_tensor(indices, dtype=_core.int64)
    elements = as_tensor(values, dtype=dtype)
    if places.dim() == 1:
        places = places.reshape(1, -1) if places.numel() else places.reshape(1, 0)
    if elements.dim() == 0:
        elements = elements.expand(places.shape[1])
    if size is None:
        most = places.amax(1) + 1 if places.shape[1] else _core.zeros(places.shape[0])
        size = (*(int(n) for n in most.tolist()), *elements.shape[1:])
    size = tuple(int(n) for n in size)
    dims = places.shape[0]
    if len(size) != dims + elements.dim() - 1:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({dims}) + dense_dim ({elements.dim() - 1}), "
            f"but got {len(size)}"
        )
    if places.shape[1] != elements.shape[0]:
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {places.shape[1]}, "
            f"nnz from values: {elements.shape[0]}"
        )
    if places.numel():
        for d, (low, high) in enumerate(
            zip(places.amin(1).tolist(), places.amax(1).tolist(), strict=True)
        ):
            if low < 0:
                raise RuntimeError(f"found negative index {low} for dim {d}")
            if high >= size[d]:
                raise RuntimeError(
                    f"size is inconsistent with indices: for dim {d}, size is {size[d]} but found "
                    f"index {high}"
                )
    out = SparseTensor(places, elements, size, bool(is_coalesced))
    return requires_grad_(out) if requires_grad else out


def sparse_csr_tensor(
    crow_indices,
    col_indices,
    values,
    size=None,
    *,
    dtype=None,
    device=None,
    requires_grad=False,
    **_,
) -> SparseTensor:
    """Make a sparse matrix of compressed rows: where each row begins, columns, values."""
    starts = as_tensor(crow_indices, dtype=_core.int64)
    columns = as_tensor(col_indices, dtype=_core.int64)
    rows = _core.arange(starts.shape[0] - 1).repeat_interleave(starts[1:] - starts[:-1])
    if size is None:
        size = (starts.shape[0] - 1, int(columns.max()) + 1 if columns.numel() else 0)
    made = sparse_coo_tensor(_core.stack([rows, columns]), values, size, dtype=dtype)
    made._coalesced = made._compressed = True
    return requires_grad_(made) if requires_grad else made


def requires_grad_(t: SparseTensor, requires_grad: bool = True) -> SparseTensor:
    """Record what is computed from the values."""
    t._elements.requires_grad_(requires_grad)
    return t


def _flat(t: SparseTensor) -> Tensor:
    """Number the places in row-major order."""
    out = _core.zeros(t._places.shape[1], dtype=_core.int64)
    for d in range(t._places.shape[0]):
        out = out * t._size[d] + t._places[d]
    return out


def coalesce(t: SparseTensor) -> SparseTensor:
    """Sort the places and add up the elements of each."""
    if t._coalesced:
        return t
    found, inverse = _flat(t).unique(return_inverse=True)
    elements = t._elements
    shape = (found.shape[0], *elements.shape[1:])
    summed = _core.zeros(shape, dtype=elements.dtype).index_add(0, inverse, elements)
    places, rest = [], found
    for size in reversed(t._size[: t._places.shape[0]]):
        places.append(rest % max(size, 1))
        rest = rest // max(size, 1)
    return t._like(_core.stack(places[::-1]), summed, coalesced=True)


def to_dense(t: SparseTensor, dtype=None, **_) -> Tensor:
    """Make an ordinary tensor."""
    dims = t._places.shape[0]
    count = 1
    for n in t._size[:dims]:
        count *= n
    flat = _core.zeros((count, *t._size[dims:]), dtype=t.dtype)
    out = flat.index_add(0, _flat(t), t._elements).reshape(*t._size)
    return out if dtype is None else out.to(dtype)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices of which one is sparse: with a matrix or a vector."""
    if isinstance(a, SparseTensor) and isinstance(b, SparseTensor):
        return to_sparse(multiply(a, to_dense(b)))
    if not isinstance(a, SparseTensor):
        if not isinstance(b, SparseTensor):
            return a @ b
        return multiply(transpose(b), a.transpose(-2, -1)).transpose(-2, -1)
    if len(a._size) != 2 or a._size[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied: {tuple(a._size)} and {tuple(b.shape)}"
        )
    rows, columns = a._places[0], a._places[1]
    weights = a._elements.reshape(-1, *[1] * (b.dim() - 1))
    terms = b.index_select(0, columns) * weights
    return _core.zeros((a._size[0], *b.shape[1:]), dtype=terms.dtype).index_add(0, rows, terms)


def transpose(t: SparseTensor, dim0: int = 0, dim1: int = 1) -> SparseTensor:
    """Exchange two dimensions."""
    n = t._places.shape[0]
    order = list(range(n))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    size = [*(t._size[d] for d in order), *t._size[n:]]
    return t._like(_core.stack([t._places[d] for d in order]), t._elements, size)


def to_sparse(t: Tensor, *args: Any, **kwargs: Any) -> SparseTensor:
    """Keep the elements that are not zero."""
    if isinstance(t, SparseTensor):
        return t
    places = t.detach().nonzero().t()
    return SparseTensor(places, t[tuple(places)], t.shape, True)


def to_sparse_csr(t: Tensor, *args: Any, **kwargs: Any) -> SparseTensor:
    """Keep the elements of a matrix that are not zero, by rows."""
    found = coalesce(to_sparse(t))
    return SparseTensor(found._places, found._elements, found._size, True, compressed=True)


def softmax(t: SparseTensor, dim: int) -> SparseTensor:
    """Softmax over the elements that are there."""
    t = coalesce(t)
    others = [d for d in range(t._places.shape[0]) if d != dim % t._places.shape[0]]
    group = _core.zeros(t._places.shape[1], dtype=_core.int64)
    for d in others:
        group = group * t._size[d] + t._places[d]
    _, group = group.unique(return_inverse=True)
    count = int(group.max()) + 1 if group.numel() else 0
    most = _core.full((count,), -float("inf"), dtype=t.dtype)
    most = most.scatter_reduce(0, group, t._elements.detach(), "amax")
    powers = (t._elements - most[group]).exp()
    sums = _core.zeros(count, dtype=t.dtype).index_add(0, group, powers)
    return t._like(t._places, powers / sums[group], coalesced=True)


def _values(t: SparseTensor) -> Tensor:
    if not t._coalesced:
        raise RuntimeError(
            "Cannot get values on an uncoalesced tensor, please call .coalesce() first"
        )
    return t._elements


def _indices(t: SparseTensor) -> Tensor:
    if not t._coalesced:
        raise RuntimeError(
            "Cannot get indices on an uncoalesced tensor, please call .coalesce() first"
        )
    return t._places


def _starts(t: SparseTensor) -> Tensor:
    counts = _core.zeros(t._size[0] + 1, dtype=_core.int64)
    ones = _core.ones(t._places.shape[1], dtype=_core.int64)
    return counts.index_add(0, t._places[0] + 1, ones).cumsum(0)


def _times(a: Any, b: Any) -> SparseTensor:
    t, factor = (a, b) if isinstance(a, SparseTensor) else (b, a)
    if isinstance(factor, SparseTensor):
        return to_sparse(to_dense(t) * to_dense(factor))
    if isinstance(factor, Tensor) and factor.dim():
        t = coalesce(t)
        factor = factor.expand(t._size)[tuple(t._places)]
    return t._like(t._places, t._elements * factor, coalesced=t._coalesced)


def _plus(a: Any, b: Any) -> Tensor:
    if isinstance(a, SparseTensor) and isinstance(b, SparseTensor):
        places = _core.cat([a._places, b._places], 1)
        return coalesce(a._like(places, _core.cat([a._elements, b._elements])))
    return to_dense(a) + b if isinstance(a, SparseTensor) else a + to_dense(b)


def _mapped(function):
    def method(t: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
        made = t._like(t._places, function(t._elements, *args, **kwargs), coalesced=t._coalesced)
        made._compressed = t._compressed
        return made

    return method


def _power(t: SparseTensor, exponent: float) -> SparseTensor:
    t = coalesce(t)
    return t._like(t._places, t._elements**exponent, coalesced=True)


def _total(t: SparseTensor, dim=None, keepdim: bool = False, dtype=None) -> Tensor:
    return t._elements.sum(dtype=dtype) if dim is None else to_dense(t).sum(dim, keepdim)


_METHODS = {
    **{name: multiply for name in ("mm", "matmul", "__matmul__", "spmm", "mv", "smm")},
    "__rmatmul__": lambda a, b: multiply(b, a),
    **{"coalesce": coalesce, "to_dense": to_dense, "to_sparse": to_sparse},
    **{"to_sparse_csr": to_sparse_csr, "to_sparse_coo": lambda t: t._like(t._places, t._elements)},
    "to_coo": lambda t: t,
    **{"values": _values, "indices": _indices, "_values": lambda t: t._elements},
    **{"_indices": lambda t: t._places, "crow_indices": _starts},
    **{"col_indices": lambda t: t._places[1], "is_coalesced": lambda t: t._coalesced},
    **{"_nnz": lambda t: t._elements.shape[0], "nnz": lambda t: t._elements.shape[0]},
    **{"sparse_dim": lambda t: t._places.shape[0], "dense_dim": lambda t: t._elements.dim() - 1},
    "size": lambda t, dim=None: t._size if dim is None else t._size[dim],
    **{"dim": lambda t: len(t._size), "ndimension": lambda t: len(t._size)},
    **{"numel": lambda t: t._size.numel(), "__len__": lambda t: t._size[0]},
    **{"t": transpose, "transpose": transpose, "T": transpose},
    **{"mul": _times, "__mul__": _times, "__rmul__": _times, "multiply": _times},
    **{"div": lambda t, n: _times(t, 1 / n), "__truediv__": lambda t, n: _times(t, 1 / n)},
    **{"add": _plus, "__add__": _plus, "__radd__": _plus},
    **{"neg": _mapped(Tensor.neg), "__neg__": _mapped(Tensor.neg)},
    **{name: _mapped(getattr(Tensor, name)) for name in ("float", "double", "half", "detach")},
    **{name: _mapped(getattr(Tensor, name)) for name in ("clone", "to", "abs", "sqrt")},
    **{"cpu": lambda t: t, "pow": _power, "__pow__": _power, "sum": _total},
    **{"requires_grad_": requires_grad_, "is_floating_point": lambda t: True},
    **{"element_size": lambda t: t._elements.element_size(), "contiguous": lambda t: t},
    "backward": lambda t, *a, **k: t._elements.backward(*a, **k),
    "softmax": softmax,
}
# What a dense tensor answers too: the names must be methods, for `__torch_function__` to see them.
for _name in (
    *("coalesce", "to_sparse_csr", "values", "indices", "_values", "_indices", "crow_indices"),
    *("col_indices", "_nnz", "sparse_dim", "dense_dim", "to_sparse_coo", "is_coalesced", "size"),
    *("dim", "numel", "cpu", "to", "requires_grad_", "ndimension", "to_dense", "is_floating_point"),
    *("element_size", "t", "T", "contiguous"),
):
    _f = _METHODS[_name]
    setattr(SparseTensor, _name, property(_f) if _name == "T" else _f)
SparseTensor.ndim = property(lambda self: len(self._size))

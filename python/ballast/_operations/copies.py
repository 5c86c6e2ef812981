"""Copies of views, and tensors with a part of another written into them."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _core
from .._core import Tensor
from ._method import method, spread_dims

# Methods that make views, each of which PyTorch also has as a function that copies.
_VIEWS = (
    *("as_strided", "detach", "diagonal", "expand", "narrow", "permute", "select", "split"),
    *("squeeze", "t", "transpose", "unbind", "unfold", "unsqueeze", "split_with_sizes"),
)


@method
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0):
    """Split into parts of the given sizes."""
    return input.split(tuple(split_sizes), dim)


def _copied(view):
    return tuple(v.clone() for v in view) if isinstance(view, tuple) else view.clone()


def _copy_of(name: str, method_name: str):
    def call(input: Tensor, *args, **kwargs):
        if "out" in kwargs:  # for `spellings`
            raise TypeError(f"{name}() got an unexpected keyword argument 'out'")
        return _copied(getattr(input, method_name)(*args, **kwargs))

    call.__name__ = name
    call.__doc__ = f"Call the method `{method_name}` and copy what it shows."
    return call


def view_copy(input: Tensor, *size) -> Tensor:
    """Copy under another shape, or another type of the same size."""
    typed = size and isinstance(size[0], _core.dtype)
    return (input.view(*size) if typed else input.reshape(*size)).clone()


def alias_copy(input: Tensor) -> Tensor:
    """Copy."""
    return input.clone()


FUNCTIONS = {
    **{f"{name}_copy": _copy_of(f"{name}_copy", name) for name in _VIEWS},
    "alias_copy": alias_copy,
    "view_copy": view_copy,
    "unsafe_chunk": Tensor.chunk,
    "unsafe_split": Tensor.split,
    "unsafe_split_with_sizes": split_with_sizes,
}
Tensor.narrow_copy = FUNCTIONS["narrow_copy"]
Tensor.unsafe_chunk, Tensor.unsafe_split = Tensor.chunk, Tensor.split


def _other_size(src: Tensor, places: Tensor) -> RuntimeError:
    return RuntimeError(
        f"expected src to have a size equal to the slice of self. src size = {src.shape}, "
        f"slice size = {places.shape}"
    )


def _written(input: Tensor, view, src: Tensor) -> Tensor:
    """A copy of `input` with `src` where `view`, a function of tensors like it, shows elements."""
    places = view(_core.arange(input.numel()).reshape(input.shape))
    if places.shape != src.shape:
        raise _other_size(src, places)
    return input.put(places, src.to(input.dtype))


@method
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """Replace a diagonal."""
    return _written(input, lambda t: t.diagonal(offset, dim1, dim2), src)


@method
def as_strided_scatter(
    input: Tensor,
    src: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> Tensor:
    """Replace the elements that a view of this size and stride shows, in the memory of `input`."""
    first, steps = input.storage_offset(), input.stride()
    spread = sum((n - 1) * s for n, s in zip(input.shape, steps, strict=True))
    cells = _core.arange(first + spread + 1)
    shown = cells.as_strided(input.shape, steps, first)
    places = cells.as_strided(size, stride, first if storage_offset is None else storage_offset)
    if places.shape != src.shape:
        raise _other_size(src, places)
    index = _core.full((len(cells),), -1)
    index[shown.reshape(-1)] = _core.arange(input.numel())
    at = index[places.reshape(-1)]
    inside = at >= 0  # not between the elements of `input`
    return input.put(at[inside], src.to(input.dtype).reshape(-1)[inside])


@method
def fill(input: Tensor, value: Tensor | float) -> Tensor:
    """Make a tensor like `input`, all of whose elements are `value`."""
    return input.clone().fill_(value)


@method
def resize_(self: Tensor, *size, memory_format=None) -> Tensor:
    """Take another size: the first elements stay, what is new is unspecified."""
    size = spread_dims(size)
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    count = 1
    for n in size:
        count *= n
    flat = self.reshape(-1)
    if count > flat.numel():
        flat = _core.cat([flat, _core.empty(count - flat.numel(), dtype=self.dtype)])
    self._show(flat[:count].reshape(size))
    return self


@method
def resize_as_(self: Tensor, the_template: Tensor, *, memory_format=None) -> Tensor:
    """Take the size of another tensor."""
    return self.resize_(the_template.shape)


def empty_strided(size: Sequence[int], stride: Sequence[int], **options) -> Tensor:
    """Make a tensor of unspecified elements with the given distances between neighbours."""
    grad = options.pop("requires_grad", False)
    spread = sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    memory = _core.empty(0 if 0 in size else spread + 1, **options)
    return memory.as_strided(size, stride).requires_grad_(grad)


def empty_permuted(size: Sequence[int], physical_layout: Sequence[int], **options) -> Tensor:
    """Make a tensor of unspecified elements whose dimensions lie in memory in the given order."""
    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError(
            f"Dimensions {tuple(physical_layout)} of physical_layout are no permutation of those "
            f"of a tensor of {len(size)} dimensions"
        )
    memory = _core.empty(tuple(size[d] for d in physical_layout), **options)
    return memory.permute(*(list(physical_layout).index(d) for d in range(len(size))))


def _new_empty_strided(self: Tensor, size, stride, *, dtype=None, **options) -> Tensor:
    """Make a tensor of unspecified elements, of this one's type, with the given strides."""
    return empty_strided(size, stride, dtype=dtype or self.dtype, **options)


Tensor.new_empty_strided = _new_empty_strided

FUNCTIONS |= {
    f.__name__: f
    for f in (
        *(split_with_sizes, diagonal_scatter, as_strided_scatter, fill, resize_as_),
        *(empty_strided, empty_permuted),
    )
}
globals().update(FUNCTIONS)
__all__ = [*FUNCTIONS]  # noqa: PLE0604 (names made above)

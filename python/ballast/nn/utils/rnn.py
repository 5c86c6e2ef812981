"""Sequences of different lengths in one tensor, as ``torch.nn.utils.rnn``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ... import _core
from ..._core import Tensor
from ..._create import tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):
    """The fields of a `PackedSequence`."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """The first step of all sequences, longest first, then the second of those that have one, ...

    Parameters
    ----------
    data : Tensor
        (sum of batch_sizes, ...).
    batch_sizes : Tensor
        How many sequences have step 0, 1, ...; int64.
    sorted_indices, unsorted_indices : Tensor, optional
        Which sequence was put where when they were sorted, and back.
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        """Take the fields, or the first two as a pair."""
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs) -> PackedSequence:
        """Convert the data; itself where it is of that type already."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self, *args, **kwargs) -> PackedSequence:
        """Return itself: the data is there."""
        return self

    def pin_memory(self) -> PackedSequence:
        """Return itself: no device reads the memory."""
        return self

    def double(self) -> PackedSequence:
        """Convert to float64."""
        return self.to(_core.float64)

    def float(self) -> PackedSequence:
        """Convert to float32."""
        return self.to(_core.float32)

    def half(self) -> PackedSequence:
        """Convert to float16."""
        return self.to(_core.float16)

    def long(self) -> PackedSequence:
        """Convert to int64."""
        return self.to(_core.int64)

    def int(self) -> PackedSequence:
        """Convert to int32."""
        return self.to(_core.int32)

    def short(self) -> PackedSequence:
        """Convert to int16."""
        return self.to(_core.int16)

    def char(self) -> PackedSequence:
        """Convert to int8."""
        return self.to(_core.int8)

    def byte(self) -> PackedSequence:
        """Convert to uint8."""
        return self.to(_core.uint8)

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False

    def is_pinned(self) -> bool:
        """False."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Turn "which was put here" into "where it was put"."""
    if permutation is None:
        return None
    places = _core.arange(0, permutation.numel(), dtype=permutation.dtype)
    return _core.empty_like(permutation).scatter_(0, permutation, places)


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Pack sequences of these lengths; what lies beyond them is dropped.

    Parameters
    ----------
    input : Tensor
        (T, N, ...), or (N, T, ...) where `batch_first`.
    lengths : Tensor or list of int
        (N)
    enforce_sorted : bool
        Whether lengths must decrease; otherwise the sequences are sorted first.
    """
    if isinstance(lengths, Tensor):
        lengths = lengths.to(_core.int64)
    else:
        lengths = tensor(list(lengths), dtype=_core.int64)
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = lengths.sort(descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    data, batch_sizes = _core._pack_padded_sequence(input, lengths, batch_first)
    return PackedSequence(data, batch_sizes, sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Undo `pack_padded_sequence`.

    Returns
    -------
    Tensor
        (T, N, ...), or (N, T, ...) where `batch_first`; T is `total_length` or the longest's.
    Tensor
        The lengths (N).
    """
    longest = sequence.batch_sizes.size(0)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {longest}"
        )
    padded, lengths = _core._pad_packed_sequence(
        sequence.data,
        sequence.batch_sizes,
        batch_first,
        padding_value,
        longest if total_length is None else total_length,
    )
    back = sequence.unsorted_indices
    if back is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, back), lengths[back]


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Put sequences (length, ...) beside each other: (T, N, ...), or (N, T, ...)."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    return _core._pad_sequence(tuple(sequences), batch_first, padding_value, padding_side)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """Cut padded sequences to their lengths."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    pairs = zip(padded_sequences, lengths, strict=True)
    return [sequence[: int(length)] for sequence, length in pairs]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (length, ...)."""
    lengths = [s.size(0) for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)

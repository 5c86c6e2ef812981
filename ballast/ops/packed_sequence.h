// Sequences of different lengths in one tensor.
#pragma once

#include <span>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// As PyTorch's `nn.utils.rnn.PackedSequence`: the first step of all sequences, longest first, then
/// the second of those that have one, and so on. `batch_sizes` (steps), int64, counts them; where
/// the sequences were sorted, `sorted_indices` says which was put where, `unsorted_indices` back.
struct PackedSequence {
  Tensor data, batch_sizes, sorted_indices = {}, unsorted_indices = {};
};

struct PackOptions {
  bool batch_first = false;
  bool enforce_sorted = true;  // false: sequences are sorted by length first
};
/// Packs (T, N, ...), or (N, T, ...) where `batch_first`, whose sequences have these lengths; what
/// lies beyond them is dropped. Throws Error in PyTorch's words for lengths that are not positive,
/// not decreasing where that is enforced, or too long.
PackedSequence pack_padded_sequence(const Tensor& input, const std::vector<int64_t>& lengths,
                                    PackOptions options = {});
/// Packs sequences (length, ...).
PackedSequence pack_sequence(std::span<const Tensor> sequences, bool enforce_sorted = true);

/// The padded sequences (T, N, ...) or (N, T, ...), in their original order, and their lengths.
struct PaddedSequence {
  Tensor data;
  std::vector<int64_t> lengths;
};
struct PadOptions {
  bool batch_first = false;
  double padding_value = 0;
  int64_t total_length = -1;  // T; -1: the longest sequence's
};
/// pack_padded_sequence's inverse. Throws ValueError for a total length that is too short.
PaddedSequence pad_packed_sequence(const PackedSequence& sequence, PadOptions options = {});
/// Sequences (length, ...) beside each other: (T, N, ...) or (N, T, ...); `left`: what is padded
/// stands in front of them.
Tensor pad_sequence(std::span<const Tensor> sequences, bool batch_first = false,
                    double padding_value = 0, bool left = false);

}  // namespace ballast

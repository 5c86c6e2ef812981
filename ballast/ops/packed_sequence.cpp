#include "ballast/ops/packed_sequence.h"

#include <algorithm>
#include <numeric>

#include "ballast/ops/create.h"
#include "ballast/ops/index.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

Tensor numbers(const std::vector<int64_t>& v) {
  return Tensor::from(v, Shape{static_cast<int64_t>(v.size())});
}

/// `rows` in place of the first `front` dimensions.
Shape with_rows(const Shape& s, int front, std::initializer_list<int64_t> rows) {
  Shape out(std::span<const int64_t>(rows.begin(), rows.size()));
  for (int d = front; d < s.rank(); ++d) out.push_back(s[d]);
  return out;
}

}  // namespace

PackedSequence pack_padded_sequence(const Tensor& input, const std::vector<int64_t>& lengths,
                                    PackOptions o) {
  check(input.dim() >= 2, "pack_padded_sequence: expected at least 2 dimensions, got {}",
        input.dim());
  check(input.numel() > 0, "Cannot pack empty tensors.");
  const Tensor x = o.batch_first ? transpose(input, 0, 1) : input;
  const int64_t steps = x.size(0), batch = x.size(1);
  check(static_cast<int64_t>(lengths.size()) == batch,
        "Expected `len(lengths)` to be equal to batch_size, but got {} (batch_size={})",
        lengths.size(), batch);
  std::vector<int64_t> order(batch), back(batch);
  std::iota(order.begin(), order.end(), 0);
  if (!o.enforce_sorted)
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
  for (int64_t r = 0; r < batch; ++r) {
    back[order[r]] = r;
    check(lengths[r] > 0,
          "Length of all samples has to be greater than 0, but found an element in 'lengths' that "
          "is <= 0");
    check(!o.enforce_sorted || r == 0 || lengths[r] <= lengths[r - 1],
          "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
          "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
          "sidestep this requirement if you do not need ONNX exportability.");
  }
  check(lengths[order[0]] <= steps,
        "pack_padded_sequence: expected lengths of at most {} steps, as the input has, got {}",
        steps, lengths[order[0]]);
  std::vector<int64_t> rows, sizes;
  for (int64_t t = 0; t < lengths[order[0]]; ++t) {
    int64_t n = 0;
    for (; n < batch && lengths[order[n]] > t; ++n) rows.push_back(t * batch + order[n]);
    sizes.push_back(n);
  }
  const Tensor flat = reshape(x, with_rows(x.shape(), 2, {steps * batch}));
  PackedSequence made{index_select(flat, 0, numbers(rows)), numbers(sizes)};
  if (!o.enforce_sorted) {
    made.sorted_indices = numbers(order);
    made.unsorted_indices = numbers(back);
  }
  return made;
}

PackedSequence pack_sequence(std::span<const Tensor> sequences, bool enforce_sorted) {
  std::vector<int64_t> lengths;
  for (const Tensor& s : sequences) lengths.push_back(s.size(0));
  return pack_padded_sequence(pad_sequence(sequences), lengths, {.enforce_sorted = enforce_sorted});
}

PaddedSequence pad_packed_sequence(const PackedSequence& s, PadOptions o) {
  check(s.batch_sizes.dim() == 1 && s.batch_sizes.numel() > 0 &&
            s.batch_sizes.dtype() == DType::kInt64,
        "pad_packed_sequence: expected batch_sizes of shape (steps), int64, got {} of {}",
        s.batch_sizes.shape(), name_of(s.batch_sizes.dtype()));
  const std::vector<int64_t> sizes = s.batch_sizes.values<int64_t>();
  const auto longest = static_cast<int64_t>(sizes.size());
  const int64_t batch = sizes[0], steps = o.total_length < 0 ? longest : o.total_length;
  check<ValueError>(steps >= longest,
                    "Expected total_length to be at least the length of the longest sequence in "
                    "input, but got total_length={} and max sequence length being {}",
                    steps, longest);
  const int64_t total = s.data.size(0);
  std::vector<int64_t> order(batch);
  std::iota(order.begin(), order.end(), 0);
  if (s.unsorted_indices.defined()) order = s.unsorted_indices.values<int64_t>();
  check(static_cast<int64_t>(order.size()) == batch,
        "pad_packed_sequence: expected unsorted_indices of {} sequences, got {}", batch,
        order.size());
  PaddedSequence made;
  made.lengths.assign(batch, 0);
  // Row `total` is the padding.
  std::vector<int64_t> rows(steps * batch, total);
  int64_t begin = 0;
  for (int64_t t = 0; t < longest; begin += sizes[t++]) {
    check(sizes[t] > 0 && sizes[t] <= batch && begin + sizes[t] <= total,
          "pad_packed_sequence: batch_sizes do not fit data of shape {}", s.data.shape());
    for (int64_t r = 0; r < batch; ++r) {
      check<IndexError>(order[r] >= 0 && order[r] < batch,
                        "pad_packed_sequence: unsorted_indices out of range: {}", order[r]);
      if (order[r] >= sizes[t]) continue;
      rows[o.batch_first ? r * steps + t : t * batch + r] = begin + order[r];
      ++made.lengths[r];
    }
  }
  const Tensor padding = full(with_rows(s.data.shape(), 1, {1}), o.padding_value, s.data.dtype());
  const Tensor all = index_select(cat({s.data, padding}, 0), 0, numbers(rows));
  made.data = reshape(all, o.batch_first ? with_rows(s.data.shape(), 1, {batch, steps})
                                         : with_rows(s.data.shape(), 1, {steps, batch}));
  return made;
}

Tensor pad_sequence(std::span<const Tensor> sequences, bool batch_first, double padding_value,
                    bool left) {
  check(!sequences.empty(), "received an empty list of sequences");
  int64_t steps = 0;
  for (const Tensor& s : sequences) steps = std::max(steps, s.size(0));
  std::vector<Tensor> padded;
  for (const Tensor& s : sequences) {
    check(s.dim() == sequences[0].dim() &&
              with_rows(s.shape(), 1, {0}) == with_rows(sequences[0].shape(), 1, {0}),
          "pad_sequence: expected sequences that differ in length only, got {} beside {}",
          s.shape(), sequences[0].shape());
    const int64_t missing = steps - s.size(0);
    if (missing == 0) {
      padded.push_back(s);
      continue;
    }
    const Tensor p = full(with_rows(s.shape(), 1, {missing}), padding_value, s.dtype());
    padded.push_back(left ? cat({p, s}, 0) : cat({s, p}, 0));
  }
  return stack(padded, batch_first ? 0 : 1);
}

}  // namespace ballast

#include "ballast/data/loader.h"

#include <algorithm>
#include <cstring>

#include "ballast/base/bytes.h"
#include "ballast/io/state.h"

namespace ballast::data {
namespace {

Tensor rows_of(const Tensor& t, std::span<const int64_t> indices) {
  const int64_t n = t.size(0);
  Shape shape = t.shape();
  shape[0] = static_cast<int64_t>(indices.size());
  Tensor out(make_leaf(shape, t.dtype()));
  const size_t bytes = bytes_of(t.shape().span_numel(1, t.dim()), t.dtype());
  const io::Array source = io::to_array(t);
  std::byte* to = out.node().data();
  for (int64_t i : indices) {
    check<IndexError>(i >= 0 && i < n, "index {} is out of bounds for dimension 0 with size {}", i,
                      n);
    std::memcpy(to, source.data->data() + i * bytes, bytes);
    to += bytes;
  }
  return out;
}

Tensor scalar(int64_t value) { return Tensor::from(std::span<const int64_t>(&value, 1), Shape{}); }

}  // namespace

TensorDataset::TensorDataset(const Tensor& x, const Tensor& y) : x_(x.detach()), y_(y.detach()) {
  check<ValueError>(x.dim() > 0 && y.dim() > 0 && x.size(0) == y.size(0),
                    "Size mismatch between tensors: shapes {} and {}", x.shape(), y.shape());
}

TensorDataset::TensorDataset(const ArrayDataset& arrays)
    : TensorDataset(io::to_tensor(arrays.inputs), io::to_tensor(arrays.labels)) {}

Batch TensorDataset::rows(std::span<const int64_t> indices) const {
  return {rows_of(x_, indices), rows_of(y_, indices)};
}

TensorDataset digits(Split split) { return TensorDataset(digits_arrays(split)); }

Loader::Loader(TensorDataset dataset, LoaderOptions options)
    : dataset_(std::move(dataset)), options_(options) {
  check<ValueError>(options.batch_size > 0,
                    "batch_size should be a positive integer value, but got batch_size={}",
                    options.batch_size);
}

int64_t Loader::num_batches() const {
  const int64_t n = dataset_.size(), b = options_.batch_size;
  return options_.drop_last ? n / b : (n + b - 1) / b;
}

Loader::Iterator Loader::begin() {
  if (std::exchange(restored_, false)) return Iterator(this);
  ++epoch_;
  next_ = 0;
  ended_ = false;
  Generator& generator = options_.generator ? *options_.generator : default_generator();
  draw_seed(generator);  // PyTorch's seed for worker processes
  if (options_.shuffle) {
    order_.resize(dataset_.size());
    if (options_.generator) {
      randperm(order_, generator);
    } else {
      Generator own(draw_seed(generator));
      randperm(order_, own);
    }
  }
  return Iterator(this);
}

bool Loader::next(Batch& batch) {
  if (next_ >= num_batches()) {
    // PyTorch's sampler makes one more permutation, of which it takes no element, when it finds
    // that the first is used up; with drop_last it also looks for a batch that it does not give.
    if (!ended_ && options_.shuffle && options_.generator) {
      std::vector<int64_t> unused(dataset_.size());
      randperm(unused, *options_.generator);
    }
    ended_ = true;
    return false;
  }
  const int64_t begin = next_ * options_.batch_size;
  const int64_t end = std::min(begin + options_.batch_size, dataset_.size());
  if (options_.shuffle) {
    batch = dataset_.rows(std::span(order_).subspan(begin, end - begin));
  } else {
    std::vector<int64_t> indices(end - begin);
    for (int64_t i = begin; i < end; ++i) indices[i - begin] = i;
    batch = dataset_.rows(indices);
  }
  ++next_;
  return true;
}

Loader::Iterator& Loader::Iterator::operator++() {
  if (!loader_->next(batch_)) {
    loader_ = nullptr;
    batch_ = {};
  }
  return *this;
}

std::vector<std::pair<std::string, Tensor>> Loader::state_dict() const {
  std::vector<std::pair<std::string, Tensor>> out = {
      {"epoch", scalar(epoch_)},
      {"next", scalar(next_)},
      {"ended", scalar(ended_)},
      {"order", Tensor::from(order_, Shape{static_cast<int64_t>(order_.size())})}};
  if (options_.generator) {
    const std::vector<uint8_t> state = options_.generator->get_state();
    out.emplace_back("generator", Tensor::from(state, Shape{static_cast<int64_t>(state.size())}));
  }
  return out;
}

void Loader::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  auto find = [&](const std::string& name) {
    for (const auto& [n, t] : state)
      if (n == name) return t;
    fail("loaded loader state has no \"{}\"", name);
  };
  const auto epoch = find("epoch").item<int64_t>(), at = find("next").item<int64_t>();
  const bool ended = find("ended").item<int64_t>() != 0;
  std::vector<int64_t> order = find("order").values<int64_t>();
  const int64_t n = dataset_.size();
  check(at >= 0 && at <= num_batches(), "loaded loader state is at batch {} of {}", at,
        num_batches());
  check(order.empty() || static_cast<int64_t>(order.size()) == n,
        "loaded loader state orders {} samples, the data set has {}", order.size(), n);
  check(!options_.shuffle || !order.empty() || epoch == 0,
        "loaded loader state has no order, but the loader shuffles");
  check(std::ranges::all_of(order, [&](int64_t i) { return i >= 0 && i < n; }),
        "loaded loader state has an index outside the data set of {} samples", n);
  if (options_.generator) options_.generator->set_state(find("generator").values<uint8_t>());
  order_ = std::move(order);
  epoch_ = epoch;
  next_ = at;
  ended_ = ended;
  restored_ = !ended;
}

}  // namespace ballast::data

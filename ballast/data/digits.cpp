#include "ballast/data/digits.h"

#include <numeric>

#include "ballast/io/npy.h"

extern "C" {
extern const std::byte ballast_digits_begin[], ballast_digits_end[];
}

namespace ballast::data {
namespace {

constexpr int64_t kCount = 1797, kTrainCount = 1437, kPixels = 64;

/// The embedded file, unpacked at first use.
const io::NamedArrays& embedded() {
  static const io::NamedArrays arrays =
      io::parse_npz({ballast_digits_begin, ballast_digits_end}, "embedded digits");
  return arrays;
}

std::vector<int64_t> indices(Split split) {
  if (split == Split::kAll) {
    std::vector<int64_t> all(kCount);
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  const auto order = io::find(embedded(), "order")->as<int64_t>();
  const auto part = split == Split::kTrain ? order.first(kTrainCount) : order.subspan(kTrainCount);
  return {part.begin(), part.end()};
}

}  // namespace

ArrayDataset digits_arrays(Split split) {
  const auto images = io::find(embedded(), "images")->as<uint8_t>();
  const auto labels = io::find(embedded(), "labels")->as<uint8_t>();
  const std::vector<int64_t> chosen = indices(split);
  const int64_t n = chosen.size();
  ArrayDataset d{io::Array::empty(DType::kFloat32, {n, 1, 8, 8}),
                 io::Array::empty(DType::kInt64, {n})};
  float* pixel = d.inputs.as<float>().data();
  int64_t* label = d.labels.as<int64_t>().data();
  for (int64_t i : chosen) {
    for (uint8_t v : images.subspan(i * kPixels, kPixels)) *pixel++ = v / 16.0f;
    *label++ = labels[i];
  }
  return d;
}

}  // namespace ballast::data

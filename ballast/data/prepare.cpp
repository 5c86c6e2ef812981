#include "ballast/data/prepare.h"

#include <cmath>
#include <cstring>

#include "ballast/base/random.h"
#include "ballast/data/digits.h"
#include "ballast/data/file.h"

namespace ballast::data {
namespace {

using io::Array;
using models::Input;

constexpr int64_t kComponents = 10;

Array with_shape(Array a, const Shape& shape) {
  a.shape = shape;
  return a;
}

int64_t features_of(const Array& a) { return sample_shape(a).numel(); }

Array as_images(const Array& a) {
  const Shape& s = a.shape;
  if (s.rank() == 4) return a;
  if (s.rank() == 3) return with_shape(a, {s[0], 1, s[1], s[2]});
  const int64_t side = std::llround(std::sqrt(static_cast<double>(features_of(a))));
  check<ValueError>(s.rank() == 2 && side * side == s[1],
                    "expected images (C, H, W), (H, W) or a square number of pixels, got samples "
                    "of shape {}",
                    sample_shape(a));
  return with_shape(a, {s[0], 1, side, side});
}

Array as_colour(const Array& a) {
  const Array grey = as_images(a);
  const Shape& s = grey.shape;
  if (s[1] == 3) return grey;
  check<ValueError>(s[1] == 1, "expected images of 1 or 3 channels, got samples of shape {}",
                    sample_shape(grey));
  Array out = Array::empty(DType::kFloat32, {s[0], 3, s[2], s[3]});
  const int64_t pixels = s[2] * s[3];
  for (int64_t i = 0; i < s[0] * 3; ++i)
    std::memcpy(out.as<float>().data() + i * pixels, grey.as<float>().data() + i / 3 * pixels,
                pixels * sizeof(float));
  return out;
}

}  // namespace

Shape sample_shape(const Array& inputs) {
  return Shape(inputs.shape.dims().subspan(inputs.shape.rank() > 0 ? 1 : 0));
}

ArrayDataset select(const ArrayDataset& d, std::span<const int64_t> positions) {
  Shape shape = d.inputs.shape;
  shape[0] = positions.size();
  ArrayDataset out{Array::empty(DType::kFloat32, shape), Array::empty(DType::kInt64, {shape[0]})};
  const int64_t each = features_of(d.inputs);
  float* to = out.inputs.as<float>().data();
  for (int64_t i = 0; i < shape[0]; ++i) {
    const int64_t at = positions[i];
    check<IndexError>(at >= 0 && at < d.size(), "there is no sample {}: they are 0 to {}", at,
                      d.size() - 1);
    std::memcpy(to + i * each, d.inputs.as<float>().data() + at * each, each * sizeof(float));
    out.labels.as<int64_t>()[i] = d.labels.as<int64_t>()[at];
  }
  return out;
}

SplitArrays load_split(const std::string& source) {
  if (source == "digits") return {digits_arrays(Split::kTrain), digits_arrays(Split::kTest)};
  const ArrayDataset all = load_arrays(source);
  check<FileError>(all.size() >= 2,
                   "{}: one sample cannot be divided into training and test samples", source);
  std::vector<int64_t> order(all.size());
  Generator generator(0);
  randperm(order, generator);
  const int64_t test = std::max<int64_t>(1, all.size() / 5);
  const auto positions = std::span<const int64_t>(order);
  return {select(all, positions.first(all.size() - test)), select(all, positions.last(test))};
}

Preparation Preparation::fit(Input kind, const Array& train) {
  std::optional<Pca> pca;
  if (kind == Input::kComponents && features_of(train) != kComponents) {
    check<ValueError>(features_of(train) > kComponents,
                      "expected samples of at least {} numbers, got samples of shape {}",
                      kComponents, sample_shape(train));
    pca = Pca::fit(train, kComponents);
  }
  return {kind, std::move(pca)};
}

Array Preparation::operator()(const Array& inputs) const {
  switch (kind_) {
    case Input::kImage:
      return as_images(inputs);
    case Input::kColour:
      return as_colour(inputs);
    case Input::kComponents:
      if (pca_) return pca_->transform(inputs);
      break;
    case Input::kVector:
      break;
  }
  return with_shape(inputs, {inputs.shape[0], features_of(inputs)});
}

SplitArrays prepared(const std::string& source, const std::string& model) {
  const SplitArrays raw = load_split(source);
  const Preparation prepare = Preparation::fit(models::entry(model).input, raw.train.inputs);
  return {prepare(raw.train), prepare(raw.test)};
}

}  // namespace ballast::data

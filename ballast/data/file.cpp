#include "ballast/data/file.h"

#include <cmath>

#include "ballast/io/csv.h"
#include "ballast/io/npy.h"

namespace ballast::data {
namespace {

using io::Array;

std::string ending_of(const std::string& path) {
  const size_t dot = path.find_last_of("./");
  std::string ending = dot == std::string::npos || path[dot] == '/' ? "" : path.substr(dot);
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  return ending;
}

/// `count` elements of each sample, from the `first` on, as finite float32.
Array inputs_of(const Array& a, int64_t first, int64_t count, const Shape& shape,
                const std::string& file) {
  Array out = Array::empty(DType::kFloat32, shape);
  const int64_t samples = a.shape[0], stride = samples > 0 ? a.numel() / samples : 0;
  float* to = out.as<float>().data();
  dispatch_stored(a.dtype, [&]<class T>(T) {
    const std::span<const T> in = a.as<T>();
    for (int64_t i = 0; i < samples; ++i)
      for (int64_t j = 0; j < count; ++j) {
        const T value = in[i * stride + first + j];
        *to = static_cast<float>(value);
        check<FileError>(std::isfinite(*to),
                         "{}: sample {}, column {}: {} is not a finite float32 number", file, i,
                         first + j, +value);
        ++to;
      }
  });
  return out;
}

/// Element `column` of each sample, as a class label.
Array labels_of(const Array& a, int64_t column, const std::string& file) {
  Array out = Array::empty(DType::kInt64, {a.shape[0]});
  const int64_t samples = a.shape[0], stride = samples > 0 ? a.numel() / samples : 0;
  const auto to = out.as<int64_t>();
  dispatch_stored(a.dtype, [&]<class T>(T) {
    const std::span<const T> in = a.as<T>();
    for (int64_t i = 0; i < samples; ++i) {
      const T value = in[i * stride + column];
      bool whole = true;
      // Beyond 2^53 a double no longer tells neighbours apart.
      if constexpr (is_floating(dtype_of<T>))
        whole = value == std::trunc(value) && std::abs(static_cast<double>(value)) <= 0x1p53;
      check<FileError>(whole, "{}: sample {}: the label {} is not a whole number", file, i, +value);
      to[i] = static_cast<int64_t>(value);
      check<FileError>(to[i] >= 0, "{}: sample {}: the label {} is negative", file, i, to[i]);
    }
  });
  return out;
}

ArrayDataset from_csv(const std::string& path) {
  const io::Csv csv = io::read_csv(path);
  return {csv.features, labels_of(csv.labels, 0, path)};
}

ArrayDataset from_npy(const std::string& path) {
  const Array a = io::read_npy(path);
  check<FileError>(a.shape.rank() == 2 && a.shape[1] >= 2,
                   "{}: expected a matrix whose last column holds the labels, got shape {}", path,
                   a.shape);
  const int64_t features = a.shape[1] - 1;
  return {inputs_of(a, 0, features, {a.shape[0], features}, path), labels_of(a, features, path)};
}

ArrayDataset from_npz(const std::string& path) {
  const io::NamedArrays arrays = io::read_npz(path);
  const Array *x = nullptr, *y = nullptr;
  for (const auto& [inputs, labels] :
       {std::pair("x", "y"), {"X", "y"}, {"images", "labels"}, {"data", "target"}}) {
    x = io::find(arrays, inputs);
    y = io::find(arrays, labels);
    if (x && y) break;
  }
  if (!x || !y) {
    check<FileError>(arrays.size() >= 2,
                     "{}: expected two arrays, samples and labels (such as x and y), got {}", path,
                     arrays.size());
    x = &arrays[0].second;
    y = &arrays[1].second;
  }
  check<FileError>(x->shape.rank() >= 2, "{}: expected samples of shape (N, ...), got shape {}",
                   path, x->shape);
  const int rank = y->shape.rank();
  check<FileError>((rank == 1 || (rank == 2 && y->shape[1] == 1)) && y->shape[0] == x->shape[0],
                   "{}: expected one label for each of {} samples, got labels of shape {}", path,
                   x->shape[0], y->shape);
  const int64_t each = x->shape[0] > 0 ? x->numel() / x->shape[0] : 0;
  return {inputs_of(*x, 0, each, x->shape, path), labels_of(*y, 0, path)};
}

}  // namespace

ArrayDataset load_arrays(const std::string& path) {
  const std::string ending = ending_of(path);
  check<FileError>(ending == ".csv" || ending == ".npy" || ending == ".npz",
                   "{}: expected a file that ends in .csv, .npy or .npz", path);
  ArrayDataset d = ending == ".csv"   ? from_csv(path)
                   : ending == ".npy" ? from_npy(path)
                                      : from_npz(path);
  check<FileError>(d.size() > 0 && d.inputs.numel() > 0,
                   "{}: there are no samples in it: inputs have shape {}", path, d.inputs.shape);
  return d;
}

}  // namespace ballast::data

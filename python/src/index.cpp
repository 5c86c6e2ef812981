// x[...] and x[...] = v.
#include "ballast/ops/index.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ballast/base/bytes.h"
#include "ballast/graph/external.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"
#include "ballast/ops/view.h"
#include "bind.h"

namespace ballast::python {
namespace {

/// One part of a key; an index tensor where it is neither a number, a slice nor a new dimension.
struct Part {
  enum class Kind { kInt, kSlice, kNew, kTensor } kind;
  int64_t start = 0, stop = 0, step = 1;
  Tensor index;
};

/// Positions of the true elements of a mask: one index tensor per dimension.
std::vector<Tensor> nonzero(const Tensor& mask) {
  row_major(mask);
  const auto values = mask.data<bool>();
  const Shape& shape = mask.shape();
  std::vector<std::vector<int64_t>> at(shape.rank());
  for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
    if (!values[i]) continue;
    int64_t rest = i;
    for (int d = shape.rank() - 1; d >= 0; --d) {
      at[d].push_back(rest % shape[d]);
      rest /= shape[d];
    }
  }
  std::vector<Tensor> out;
  for (const auto& a : at) out.push_back(Tensor::from(a, Shape{static_cast<int64_t>(a.size())}));
  return out;
}

class Key {
 public:
  Key(const Shape& shape, nb::handle key) : shape_(shape) {
    if (PyTuple_Check(key.ptr()) || stands_for_tuple(key)) {
      const nb::tuple items{key};
      int64_t used = 0;
      for (nb::handle item : items) used += dims_used(item);
      for (nb::handle item : items) {
        if (item.ptr() == Py_Ellipsis)
          for (int64_t i = used; i < shape.rank(); ++i) add(whole());
        else
          add(item);
      }
    } else if (key.ptr() != Py_Ellipsis) {
      add(key);
    }
  }

  const std::vector<Part>& parts() const { return parts_; }
  bool basic() const {
    return std::ranges::none_of(parts_,
                                [](const Part& p) { return p.kind == Part::Kind::kTensor; });
  }

 private:
  /// Whether a list is read as a tuple: one with None, slices or `...`, as in PyTorch.
  static bool stands_for_tuple(nb::handle key) {
    if (!PyList_Check(key.ptr())) return false;
    for (nb::handle item : nb::borrow<nb::list>(key))
      if (item.is_none() || item.ptr() == Py_Ellipsis || PySlice_Check(item.ptr())) return true;
    return false;
  }

  static nb::object whole() { return nb::steal(PySlice_New(nullptr, nullptr, nullptr)); }

  static Tensor as_tensor(nb::handle item) {
    if (PyList_Check(item.ptr()) && PyList_GET_SIZE(item.ptr()) == 0)
      return empty(Shape{0}, DType::kInt64);
    return nb::cast<Tensor>(nb::module_::import_("ballast").attr("as_tensor")(item));
  }

  static int64_t dims_used(nb::handle item) {
    if (item.is_none() || item.ptr() == Py_Ellipsis) return 0;
    if (!is_tensor(item)) return 1;
    const Tensor& t = nb::cast<const Tensor&>(item);
    return t.dtype() == DType::kBool ? t.dim() : 1;
  }

  int64_t next_size() {
    check<IndexError>(dim_ < shape_.rank(), "too many indices for tensor of dimension {}",
                      shape_.rank());
    return shape_[dim_++];
  }

  void add(nb::handle item) {
    PyObject* p = item.ptr();
    if (item.is_none()) {
      parts_.push_back({Part::Kind::kNew, 0, 0, 1, {}});
    } else if (PySlice_Check(p)) {
      Py_ssize_t start, stop, step;
      if (PySlice_Unpack(p, &start, &stop, &step) < 0) throw nb::python_error();
      check<ValueError>(step > 0, "slice step must be positive");
      const Py_ssize_t n = PySlice_AdjustIndices(next_size(), &start, &stop, step);
      if (n == 0) stop = start;
      parts_.push_back({Part::Kind::kSlice, start, stop, step, {}});
    } else if (PyBool_Check(p)) {
      fail<NotImplementedError>("indexing by a single bool is not supported; use None or a mask");
    } else if (!is_tensor(item) && PyIndex_Check(p) && !PySequence_Check(p)) {
      add_int(p);
    } else {
      add_tensor(is_tensor(item) ? nb::cast<Tensor>(item) : as_tensor(item));
    }
  }

  void add_int(PyObject* p) {
    const Py_ssize_t at = PyNumber_AsSsize_t(p, PyExc_IndexError);
    if (at == -1 && PyErr_Occurred()) throw nb::python_error();
    check<IndexError>(shape_.rank() > 0,
                      "invalid index of a 0-dim tensor. Use `tensor.item()` in Python");
    const int64_t dim = dim_, size = next_size();
    check<IndexError>(at >= -size && at < size,
                      "index {} is out of bounds for dimension {} with size {}", at, dim, size);
    parts_.push_back({Part::Kind::kInt, at < 0 ? at + size : at, 0, 1, {}});
  }

  void add_tensor(const Tensor& t) {
    if (t.dtype() == DType::kBool) {
      for (int d = 0; d < t.dim(); ++d) {
        const int64_t dim = dim_, size = next_size();
        check<IndexError>(t.shape()[d] == size,
                          "The shape of the mask {} at index {} does not match the shape of the "
                          "indexed tensor {} at index {}",
                          t.shape(), d, shape_, dim);
      }
      for (Tensor& i : nonzero(t)) parts_.push_back({Part::Kind::kTensor, 0, 0, 1, i});
      return;
    }
    const DType type = t.dtype();
    check<IndexError>(type == DType::kInt64 || type == DType::kInt32 || type == DType::kUint8,
                      "tensors used as indices must be long, int, byte or bool tensors");
    const int64_t dim = dim_, size = next_size();
    parts_.push_back(
        {Part::Kind::kTensor, 0, 0, 1, from_the_start(cast(t, DType::kInt64), dim, size)});
  }

  /// The same positions, none negative. Those that are known already are checked here.
  static Tensor from_the_start(const Tensor& index, int64_t dim, int64_t size) {
    if (!index.node().evaluated()) return where(lt(index, 0), index + Scalar(size), index);
    row_major(index);
    const auto at = index.data<int64_t>();
    bool negative = false;
    for (int64_t i : at) {
      check<IndexError>(i >= -size && i < size,
                        "index {} is out of bounds for dimension {} with size {}", i, dim, size);
      negative |= i < 0;
    }
    if (!negative) return index;
    std::vector<int64_t> wrapped(at.begin(), at.end());
    for (int64_t& i : wrapped) i += i < 0 ? size : 0;
    return Tensor::from(wrapped, index.shape());
  }

  Shape shape_;
  std::vector<Part> parts_;
  int dim_ = 0;
};

/// Elements of a row-major tensor at regular distances: what a basic key selects.
struct Region {
  int64_t offset = 0;
  Shape shape;
  std::array<int64_t, Shape::kMaxRank> strides{};

  Region(const Tensor& t, const std::vector<Part>& parts) {
    const Shape& whole = t.shape();
    const auto in = ops::memory_strides(t);
    int d = 0;
    for (const Part& p : parts) {
      if (p.kind == Part::Kind::kNew) {
        push(1, 0);
      } else if (p.kind == Part::Kind::kInt) {
        offset += p.start * in[d++];
      } else {
        offset += p.start * in[d];
        push((p.stop - p.start + p.step - 1) / p.step, in[d++] * p.step);
      }
    }
    for (; d < whole.rank(); ++d) push(whole[d], in[d]);
  }

 private:
  void push(int64_t size, int64_t stride) {
    strides[shape.rank()] = stride;
    shape.push_back(size);
  }
};

/// The selected elements of memory that belongs to someone else, as a view in one step.
Tensor external_region(const Tensor& t, const Region& r) {
  View v;
  v.offset = r.offset;
  v.strides = r.strides;
  v.shape = r.shape;
  return ops::as_view({}, t, std::move(v));
}

/// Rows of a tensor, read now for the same reason.
Tensor read_rows(const Tensor& t, const Tensor& index) {
  Shape shape = index.shape();
  for (int d = 1; d < t.dim(); ++d) shape.push_back(t.shape()[d]);
  Tensor out = empty(shape, t.dtype());
  const size_t row = bytes_of(t.shape().span_numel(1, t.dim()), t.dtype());
  std::byte* to = out.node().data();
  for (int64_t i : index.data<int64_t>()) {
    std::memcpy(to, t.node().data() + i * row, row);
    to += row;
  }
  return out;
}

/// Index tensors for dimensions `dims` of x, all of the same shape: the result has that shape in
/// their place, or in front where they do not stand side by side.
Tensor take(Tensor x, const std::vector<int>& dims, std::vector<Tensor> index) {
  Shape common;
  for (const Tensor& i : index) common = broadcast(common, i.shape());
  const int n = static_cast<int>(dims.size());
  int first = dims.front();
  if (dims.back() - first + 1 != n) {
    std::vector<int64_t> order(dims.begin(), dims.end());
    for (int d = 0; d < x.dim(); ++d)
      if (std::ranges::find(dims, d) == dims.end()) order.push_back(d);
    x = permute(x, order);
    first = 0;
  }
  Tensor flat;
  for (int i = 0; i < n; ++i) {
    const Tensor at = expand(index[i], common);
    flat = i == 0 ? at : flat * Scalar(x.shape()[first + i]) + at;
  }
  std::vector<int64_t> merged, out;
  for (int d = 0; d < first; ++d) merged.push_back(x.shape()[d]);
  out = merged;
  merged.push_back(x.shape().span_numel(first, first + n));
  out.insert(out.end(), common.begin(), common.end());
  for (int d = first + n; d < x.dim(); ++d) {
    merged.push_back(x.shape()[d]);
    out.push_back(x.shape()[d]);
  }
  flat = reshape(flat, Shape{common.numel()});
  return reshape(index_select(reshape(x, Shape(std::span(merged))), first, flat),
                 Shape(std::span(out)));
}

Tensor get(const Tensor& t, const Key& key) {
  const std::vector<Part>& parts = key.parts();
  if (shows_external(t) && !t.requires_grad()) {
    if (key.basic()) return external_region(t, Region(t, parts));
    if (t.node().external() && parts.size() == 1 && parts[0].index.node().evaluated())
      return read_rows(t, parts[0].index);
  }
  Tensor x = t;
  std::vector<int> dims;
  std::vector<Tensor> index;
  int d = 0;
  for (const Part& p : parts) {
    switch (p.kind) {
      case Part::Kind::kNew:
        x = unsqueeze(x, d++);
        break;
      case Part::Kind::kInt:
        x = select(x, d, p.start);
        break;
      case Part::Kind::kSlice:
        if (p.start != 0 || p.stop != x.shape()[d] || p.step != 1)
          x = slice(x, d, p.start, p.stop, p.step);
        ++d;
        break;
      case Part::Kind::kTensor:
        dims.push_back(d++);
        index.push_back(p.index);
        break;
    }
  }
  if (!dims.empty()) return take(x, dims, std::move(index));
  return x.is(t) ? reshape(t, t.shape()) : x;
}

/// Copies row-major elements of `value` to memory of `t`, at the places that `for_each` names.
template <class ForEach>
void write_places(Tensor& t, const Tensor& value, ForEach&& for_each) {
  row_major(t);
  row_major(value);
  dispatch_stored(t.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = reinterpret_cast<const T*>(value.node().data());
    T* to = t.mutable_data<T>().data();
    for_each([&](int64_t i, int64_t o) { to[o] = from[i]; });
  });
}

/// t with `v` at flat positions `at`, as an operation that autograd follows.
Tensor put_recorded(const Tensor& t, const Tensor& at, const Tensor& v) {
  const Shape line{t.numel()}, part{at.numel()};
  const Tensor flat = reshape(at, part);
  const Tensor hit = scatter_add(zeros(line), 0, flat, ones(part));
  const Tensor written = scatter_add(zeros(line, t.dtype()), 0, flat, reshape(v, part));
  return reshape(where(gt(hit, 0), written, reshape(t, line)), t.shape());
}

/// Replaces the elements at flat positions `at` (each at most once).
void put(const Tensor& t, const Tensor& at, const Tensor& value) {
  const Tensor v = expand(cast(value, t.dtype()), at.shape());
  if (grad_enabled() && (t.requires_grad() || v.requires_grad())) {
    write(t, put_recorded(t, at, v));
    return;
  }
  row_major(at);
  const auto offsets = at.data<int64_t>();
  Tensor own = t.impl()->is_view() ? clone(t) : t;
  write_places(own, v.detach(), [&](auto&& copy) {
    for (size_t i = 0; i < offsets.size(); ++i) copy(static_cast<int64_t>(i), offsets[i]);
  });
  if (!own.is(t)) write(t, own);
}

/// The value with no more dimensions than `target`, as far as those in front have size 1.
Tensor fitted(const Tensor& value, const Tensor& target) {
  int extra = 0;
  while (value.dim() - extra > target.dim() && value.shape()[extra] == 1) ++extra;
  if (extra == 0) return value;
  std::vector<int64_t> sizes;
  for (int d = extra; d < value.dim(); ++d) sizes.push_back(value.shape()[d]);
  return reshape(value, shape_from(sizes));
}

void set(const Tensor& t, const Key& key, const Tensor& value) {
  if (key.basic()) {
    const Tensor target = get(t, key);
    return overwrite(target, fitted(value, target));
  }
  check(value.dtype() == t.dtype() || value.numel() == 1,
        "Index put requires the source and destination dtypes match, got {} for the destination "
        "and {} for the source.",
        name_of(t.dtype()), name_of(value.dtype()));
  const Tensor places = get(reshape(arange(Scalar(t.numel())), t.shape()), key);
  put(t, places, fitted(value, places));
}

}  // namespace

void bind_index(nb::class_<Tensor>& c) {
  // The key may be None: x[None] has one more dimension.
  c.def(
      "__getitem__", [](const Tensor& t, nb::handle key) { return get(t, Key(t.shape(), key)); },
      nb::arg().none());
  c.def(
      "__setitem__",
      [](const Tensor& t, nb::handle key, nb::handle value) {
        const Key k(t.shape(), key);
        Scalar number = 0;
        if (is_tensor(value))
          set(t, k, nb::cast<Tensor>(value));
        else if (nb::try_cast(value, number))
          set(t, k, full(Shape{}, number, t.dtype()));
        else {
          check<TypeError>(!PyList_Check(value.ptr()) && !PyTuple_Check(value.ptr()),
                           "can't assign a {} to a tensor", Py_TYPE(value.ptr())->tp_name);
          const nb::object array = nb::module_::import_("ballast").attr("as_tensor")(value);
          set(t, k, cast(nb::cast<Tensor>(array), t.dtype()));
        }
      },
      nb::arg().none(), nb::arg());
  c.def("nonzero", [](const Tensor& t) {
    check(t.dim() > 0, "nonzero: a tensor of at least one dimension is needed");
    return stack(nonzero(cast(t, DType::kBool)), 1);
  });
  c.def("__len__", [](const Tensor& t) {
    check<TypeError>(t.dim() > 0, "len() of a 0-d tensor");
    return t.shape()[0];
  });
}

}  // namespace ballast::python

#include "ballast/ops/print.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ballast/ops/support.h"

namespace ballast {
namespace {

template <class T>
constexpr bool kFloating = is_floating(dtype_of<T>);

/// Writes every element of one tensor with the same width and precision, chosen from those shown.
template <class T>
class Formatter {
 public:
  Formatter(const std::vector<T>& shown, const PrintOptions& options)
      : precision_(options.precision) {
    if constexpr (kFloating<T>) choose(shown);
    for (T v : shown)
      if (!kFloating<T> || (std::isfinite(double(v)) && v != 0))
        width_ = std::max(width_, bare(v).size());
    scientific_ = options.scientific.value_or(scientific_);
  }
  size_t width() const { return width_; }
  std::string operator()(T v) const { return fmt::format("{:>{}}", bare(v), width_); }

 private:
  void choose(const std::vector<T>& shown) {
    double least = std::numeric_limits<double>::infinity(), most = 0;
    for (T v : shown) {
      const double a = std::abs(double(v));
      if (!std::isfinite(a) || a == 0) continue;
      least = std::min(least, a);
      most = std::max(most, a);
      whole_ &= v == std::ceil(v);
    }
    scientific_ = most > 0 && (most / least > 1000 || most > 1e8 || least < 1e-4);
  }

  std::string bare(T v) const {
    if constexpr (std::is_same_v<T, bool>) {
      return v ? "True" : "False";
    } else if constexpr (!kFloating<T>) {
      return fmt::format("{}", static_cast<int64_t>(v));
    } else {
      const double x = v;
      if (std::isnan(x)) return "nan";
      if (scientific_) return fmt::format("{:.{}e}", x, precision_);
      if (whole_) return fmt::format("{:.0f}{}", x, std::isinf(x) ? "" : ".");
      return fmt::format("{:.{}f}", x, precision_);
    }
  }

  int64_t precision_;
  bool whole_ = true, scientific_ = false;
  size_t width_ = 1;
};

template <class T>
class Printer {
 public:
  Printer(const Tensor& x, const PrintOptions& options)
      : options_(options),
        shape_(x.shape()),
        strides_(ops::strides_of(shape_)),
        data_(x.data<T>()),
        summarize_(x.numel() > options.threshold),
        format_(shown(), options) {}

  std::string text() const { return text(0, 0, 7); }

 private:
  /// The positions of dimension `d` that are shown; -1 for "...".
  std::vector<int64_t> positions(int d) const {
    std::vector<int64_t> at;
    const int64_t n = shape_[d];
    for (int64_t i = 0; i < n; ++i) {
      if (summarize_ && n > 2 * options_.edge_items && i == options_.edge_items) {
        at.push_back(-1);
        i = n - options_.edge_items;
      }
      if (i == n) break;
      at.push_back(i);
    }
    return at;
  }

  std::vector<T> shown() const {
    std::vector<T> out;
    collect(0, 0, out);
    return out;
  }
  void collect(int d, int64_t offset, std::vector<T>& out) const {
    if (d == shape_.rank()) return out.push_back(data_[offset]);
    for (int64_t i : positions(d))
      if (i >= 0) collect(d + 1, offset + i * strides_[d], out);
  }

  std::string text(int d, int64_t offset, int indent) const {
    if (d == shape_.rank()) return format_(data_[offset]);
    std::vector<std::string> parts;
    const bool line = d == shape_.rank() - 1;
    for (int64_t i : positions(d))
      parts.push_back(i < 0 ? line ? " ..." : "..."
                            : text(d + 1, offset + i * strides_[d], indent + 1));
    const std::string gap(indent + 1, ' ');
    if (!line)
      return fmt::format("[{}]",
                         fmt::join(parts, "," + std::string(shape_.rank() - d - 1, '\n') + gap));
    const int64_t columns = std::max<int64_t>(options_.line_width - indent, 0);
    const size_t per_line = std::max<size_t>(1, columns / (format_.width() + 2));
    std::string out = "[";
    for (size_t i = 0; i < parts.size(); ++i) {
      if (i > 0) out += i % per_line == 0 ? ",\n" + gap : ", ";
      out += parts[i];
    }
    return out + "]";
  }

  const PrintOptions& options_;
  Shape shape_;
  std::array<int64_t, Shape::kMaxRank> strides_;
  std::span<const T> data_;
  bool summarize_;
  Formatter<T> format_;
};

}  // namespace

std::string to_string(const Tensor& x, const PrintOptions& options, const std::string& note) {
  const Tensor value = x.detach();
  std::string out = "tensor(";
  std::vector<std::string> suffixes;
  const bool empty = x.numel() == 0;
  if (empty) {
    out += "[]";
    if (x.dim() != 1)
      suffixes.push_back("size=(" + fmt::format("{}", fmt::join(x.shape(), ", ")) + ")");
  } else {
    out += dispatch_stored(
        x.dtype(), [&](auto zero) { return Printer<decltype(zero)>(value, options).text(); });
  }
  const bool shows = x.dtype() == DType::kFloat32 ||
                     (!empty && (x.dtype() == DType::kInt64 || x.dtype() == DType::kBool));
  if (!shows) suffixes.push_back(fmt::format("dtype=torch.{}", name_of(x.dtype())));
  if (!note.empty()) suffixes.push_back(note);
  int64_t column = static_cast<int64_t>(out.size() - (out.rfind('\n') + 1)) + 2;
  for (const std::string& s : suffixes) {
    const int64_t size = static_cast<int64_t>(s.size());
    const bool wraps = column + size + 2 > options.line_width;
    out += (wraps ? ",\n" + std::string(7, ' ') : ", ") + s;
    column = wraps ? 7 + size : column + size + 2;
  }
  return out + ")";
}

std::string to_string(const Tensor& x) {
  std::string note;
  if (x.requires_grad())
    note = x.is_leaf() || !x.node().op ? "requires_grad=True"
                                       : fmt::format("grad_fn=<{}>", x.node().op->name());
  return to_string(x, {}, note);
}

}  // namespace ballast

// Functions of `torch.nn.functional` that are no layers of their own: attention, images read at
// positions, alignment of sequences, pools at random steps.
#include "ballast/ops/attention.h"

#include "ballast/base/random.h"
#include "ballast/ops/create.h"
#include "ballast/ops/ctc_loss.h"
#include "ballast/ops/distance.h"
#include "ballast/ops/fractional_pool.h"
#include "ballast/ops/grid_sample.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "results.h"

namespace ballast::python {
namespace {

using T = const Tensor&;
using OptionalTensor = std::optional<Tensor>;

void bind_scaled_dot_product(nb::module_& m) {
  m.def(
      "_attention",
      [](T q, T k, T v, const OptionalTensor& mask, double dropout, bool is_causal,
         std::optional<double> scale, bool grouped) {
        return attention(q, k, v,
                         {.mask = tensor_or_none(mask),
                          .dropout = dropout,
                          .is_causal = is_causal,
                          .scale = scale,
                          .grouped = grouped})
            .value;
      },
      "query"_a, "key"_a, "value"_a, none_default("attn_mask"), "dropout_p"_a = 0.0,
      "is_causal"_a = false, nb::kw_only(), none_default("scale"), "enable_gqa"_a = false);
}

void bind_heads(nb::module_& m) {
  using O = const OptionalTensor&;
  const auto none = [](const char* name) { return none_default(name); };
  m.def(
      "_multi_head_attention_forward",
      [](T query, T key, T value, int64_t embed, int64_t heads, O in_weight, O in_bias, O bias_k,
         O bias_v, bool zero, double dropout, T out_weight, O out_bias, bool training, O padding,
         bool need_weights, O mask, bool separate, O q_weight, O k_weight, O v_weight, O static_k,
         O static_v, bool average, bool is_causal) {
        const Attention r =
            multi_head_attention(query, key, value,
                                 {.embed = embed,
                                  .heads = heads,
                                  .in_weight = tensor_or_none(in_weight),
                                  .in_bias = tensor_or_none(in_bias),
                                  .bias_k = tensor_or_none(bias_k),
                                  .bias_v = tensor_or_none(bias_v),
                                  .q_weight = separate ? tensor_or_none(q_weight) : Tensor(),
                                  .k_weight = tensor_or_none(k_weight),
                                  .v_weight = tensor_or_none(v_weight),
                                  .out_weight = out_weight,
                                  .out_bias = tensor_or_none(out_bias),
                                  .static_k = tensor_or_none(static_k),
                                  .static_v = tensor_or_none(static_v),
                                  .key_padding_mask = tensor_or_none(padding),
                                  .attention_mask = tensor_or_none(mask),
                                  .dropout = dropout,
                                  .zero_attention = zero,
                                  .training = training,
                                  .need_weights = need_weights,
                                  .average_weights = average,
                                  .is_causal = is_causal});
        return nb::make_tuple(r.value, none_if_undefined(r.weights));
      },
      "query"_a, "key"_a, "value"_a, "embed_dim_to_check"_a, "num_heads"_a,
      nb::arg("in_proj_weight").none(), nb::arg("in_proj_bias").none(), nb::arg("bias_k").none(),
      nb::arg("bias_v").none(), "add_zero_attn"_a, "dropout_p"_a, "out_proj_weight"_a,
      nb::arg("out_proj_bias").none(), "training"_a = true, none("key_padding_mask"),
      "need_weights"_a = true, none("attn_mask"), "use_separate_proj_weight"_a = false,
      none("q_proj_weight"), none("k_proj_weight"), none("v_proj_weight"), none("static_k"),
      none("static_v"), "average_attn_weights"_a = true, "is_causal"_a = false);
}

void bind_grids(nb::module_& m) {
  const auto align = ("align_corners"_a = nb::none());
  m.def(
      "_grid_sample",
      [](T x, T grid, const std::string& mode, const std::string& padding,
         std::optional<bool> align_corners) {
        check<ValueError>(mode == "bilinear" || mode == "nearest" || mode == "bicubic",
                          "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' "
                          "or 'bicubic', but got: '{}'",
                          mode);
        check<ValueError>(padding == "zeros" || padding == "border" || padding == "reflection",
                          "nn.functional.grid_sample(): expected padding_mode to be 'zeros', "
                          "'border', or 'reflection', but got: '{}'",
                          padding);
        return grid_sample(x, grid,
                           {.mode = mode == "bilinear"  ? GridMode::kBilinear
                                    : mode == "nearest" ? GridMode::kNearest
                                                        : GridMode::kBicubic,
                            .padding = padding == "zeros"    ? GridPadding::kZeros
                                       : padding == "border" ? GridPadding::kBorder
                                                             : GridPadding::kReflection,
                            .align_corners = align_corners.value_or(false)});
      },
      "input"_a, "grid"_a, "mode"_a = "bilinear", "padding_mode"_a = "zeros", align);
  // The numbers of modes and paddings that torch.grid_sampler takes.
  for (const char* name : {"grid_sampler", "grid_sampler_2d", "grid_sampler_3d"})
    m.def(
        name,
        [](T x, T grid, int64_t mode, int64_t padding, bool align_corners) {
          check(mode >= 0 && mode < 3 && padding >= 0 && padding < 3,
                "grid_sampler(): modes and paddings are 0, 1 or 2, got {} and {}", mode, padding);
          return grid_sample(x, grid,
                             {.mode = static_cast<GridMode>(mode),
                              .padding = static_cast<GridPadding>(padding),
                              .align_corners = align_corners});
        },
        "input"_a, "grid"_a, "interpolation_mode"_a, "padding_mode"_a, "align_corners"_a);
  m.def(
      "_affine_grid",
      [](T theta, const Dims& size, std::optional<bool> align_corners) {
        return affine_grid(theta, size.values, align_corners.value_or(false));
      },
      "theta"_a, "size"_a, align);
}

std::vector<int64_t> lengths_of(nb::handle h) {
  if (!is_tensor(h)) return nb::cast<Dims>(h).values;
  const Tensor t = nb::cast<Tensor>(h);
  check(!is_floating(t.dtype()), "input_lengths and target_lengths must be integral");
  return cast(t, DType::kInt64).values<int64_t>();
}

Tensor ctc_of(T log_probs, T targets, nb::object inputs, nb::object lengths, int64_t blank,
              const std::string& reduction, bool zero_infinity) {
  check<ValueError>(reduction == "none" || reduction == "mean" || reduction == "sum",
                    "{} is not a valid value for reduction", reduction);
  const auto steps = lengths_of(inputs);
  auto sizes = lengths_of(lengths);
  const bool batched = log_probs.dim() != 2;
  const Tensor probs = batched ? log_probs : unsqueeze(log_probs, 1);
  Tensor losses = ctc_loss(probs, targets, steps, sizes, blank, zero_infinity);
  if (reduction == "sum") return sum(losses);
  if (reduction == "none") return batched ? losses : squeeze(losses, 0);
  for (int64_t& n : sizes) n = std::max<int64_t>(n, 1);
  const Shape batch{static_cast<int64_t>(sizes.size())};
  return mean(losses / cast(Tensor::from(sizes, batch), losses.dtype()));
}

using Ratio = std::optional<nb::object>;

/// Output sizes given by ratios of the input's.
std::vector<int64_t> scaled_sizes(T x, int rank, nb::handle ratio) {
  std::vector<double> factors;
  if (PyTuple_Check(ratio.ptr()) || PyList_Check(ratio.ptr()))
    factors = nb::cast<std::vector<double>>(ratio);
  else
    factors.assign(rank, nb::cast<double>(ratio));
  check<ValueError>(static_cast<int>(factors.size()) == rank,
                    "fractional_max_pool: expected {} output ratios, got {}", rank, factors.size());
  std::vector<int64_t> out;
  for (int d = 0; d < rank; ++d)
    out.push_back(static_cast<int64_t>(static_cast<double>(x.size(d - rank)) * factors[d]));
  return out;
}

nb::object fractional(int rank, T x, const Dims& kernel, const std::optional<Dims>& output,
                      nb::object ratio, bool return_indices, const OptionalTensor& samples) {
  check<ValueError>(output || !ratio.is_none(),
                    "fractional_max_pool{}d requires specifying either an output_size or an "
                    "output_ratio",
                    rank);
  const auto all = [rank](std::vector<int64_t> v) {
    if (v.size() == 1) v.resize(rank, v[0]);
    return v;
  };
  const std::vector<int64_t> sizes = output ? all(output->values) : scaled_sizes(x, rank, ratio);
  Tensor drawn = tensor_or_none(samples);
  if (!drawn.defined()) {
    const bool batched = x.dim() == rank + 2;
    drawn = rand(Shape{batched ? x.size(0) : 1, x.size(-rank - 1), rank}, x.dtype());
  }
  const Pooled r = fractional_max_pool(rank, x, all(kernel.values), sizes, drawn);
  return return_indices ? nb::object(nb::make_tuple(r.values, r.indices)) : nb::cast(r.values);
}

void bind_others(nb::module_& m) {
  m.def("_ctc_loss", &ctc_of, "log_probs"_a, "targets"_a, "input_lengths"_a, "target_lengths"_a,
        "blank"_a = 0, "reduction"_a = "mean", "zero_infinity"_a = false);
  m.def("pdist", &pdist, "input"_a, "p"_a = 2.0);
  for (const int rank : {2, 3})
    m.def(
        rank == 2 ? "_fractional_max_pool2d" : "_fractional_max_pool3d",
        [rank](T x, const Dims& kernel, const std::optional<Dims>& output, nb::object ratio,
               bool return_indices, const OptionalTensor& samples) {
          return fractional(rank, x, kernel, output, ratio, return_indices, samples);
        },
        "input"_a, "kernel_size"_a, "output_size"_a = nb::none(), none_default("output_ratio"),
        "return_indices"_a = false, none_default("_random_samples"));
}

}  // namespace

void bind_attention(nb::module_& m) {
  bind_scaled_dot_product(m);
  bind_heads(m);
  bind_grids(m);
  bind_others(m);
}

}  // namespace ballast::python

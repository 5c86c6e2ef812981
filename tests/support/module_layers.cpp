#include "tests/support/module_layers.h"

#include "ballast/nn/nn.h"
#include "tests/support/module_makers.h"

namespace ballast::test {
namespace {

/// One that also returns positions where `return_indices`.
template <class M>
Layer with_indices(M m, bool return_indices) {
  if (!return_indices) return layer(std::move(m));
  const auto module = std::make_shared<M>(std::move(m));
  return {module, [module](const std::vector<Tensor>& in, Arguments&) -> std::vector<Tensor> {
            const Pooled p = module->forward_with_indices(in.at(0));
            return {p.values, p.indices};
          }};
}

template <class M>
Layer plain(Arguments&) {
  return layer(M());
}

const Table kActivations = {
    // NOLINT(cert-err58-cpp)
    {"ReLU", plain<nn::ReLU>},
    {"ReLU6", plain<nn::ReLU6>},
    {"Sigmoid", plain<nn::Sigmoid>},
    {"Tanh", plain<nn::Tanh>},
    {"SiLU", plain<nn::SiLU>},
    {"Mish", plain<nn::Mish>},
    {"SELU", plain<nn::SELU>},
    {"Hardswish", plain<nn::Hardswish>},
    {"Hardtanh", plain<nn::Hardtanh>},
    {"Softsign", plain<nn::Softsign>},
    {"Tanhshrink", plain<nn::Tanhshrink>},
    {"LogSigmoid", plain<nn::LogSigmoid>},
    {"Softmax2d", plain<nn::Softmax2d>},
    {"LeakyReLU", [](A& a) { return layer(nn::LeakyReLU(a.number(0, "negative_slope", 0.01))); }},
    {"ELU", [](A& a) { return layer(nn::ELU(a.number(0, "alpha", 1))); }},
    {"CELU", [](A& a) { return layer(nn::CELU(a.number(0, "alpha", 1))); }},
    {"Softplus",
     [](A& a) {
       return layer(nn::Softplus(a.number(0, "beta", 1), a.number(1, "threshold", 20)));
     }},
    {"Softshrink", [](A& a) { return layer(nn::Softshrink(a.number(0, "lambd", 0.5))); }},
    {"Hardshrink", [](A& a) { return layer(nn::Hardshrink(a.number(0, "lambd", 0.5))); }},
    {"Threshold",
     [](A& a) { return layer(nn::Threshold(a.number(0, "threshold"), a.number(1, "value"))); }},
    {"GLU", [](A& a) { return layer(nn::GLU(a.integer(0, "dim", -1))); }},
    {"Softmax", [](A& a) { return layer(nn::Softmax(a.integer(0, "dim"))); }},
    {"LogSoftmax", [](A& a) { return layer(nn::LogSoftmax(a.integer(0, "dim"))); }},
    {"Softmin", [](A& a) { return layer(nn::Softmin(a.integer(0, "dim"))); }},
    {"GELU",
     [](A& a) {
       return layer(nn::GELU(a.text(0, "approximate", "none") == "tanh"
                                 ? GeluApproximation::kTanh
                                 : GeluApproximation::kNone));
     }},
    {"RReLU",
     [](A& a) {
       return layer(nn::RReLU(a.number(0, "lower", 1.0 / 8), a.number(1, "upper", 1.0 / 3)));
     }},
    {"PReLU",
     [](A& a) {
       return layer(nn::PReLU(a.integer(0, "num_parameters", 1), a.number(1, "init", 0.25)));
     }},
};

const Table kSimple = {
    // NOLINT(cert-err58-cpp)
    {"Identity",
     [](A& a) {
       a.given(0, "unused");
       return layer(nn::Identity());
     }},
    {"Flatten",
     [](A& a) {
       return layer(nn::Flatten(a.integer(0, "start_dim", 1), a.integer(1, "end_dim", -1)));
     }},
    {"Unflatten",
     [](A& a) {
       return layer(nn::Unflatten(a.integer(0, "dim"), a.integers(1, "unflattened_size")));
     }},
    {"Linear",
     [](A& a) {
       return layer(nn::Linear(a.integer(0, "in_features"), a.integer(1, "out_features"),
                               {.bias = a.flag(2, "bias", true)}));
     }},
    {"Bilinear",
     [](A& a) {
       return layer(nn::Bilinear(a.integer(0, "in1_features"), a.integer(1, "in2_features"),
                                 a.integer(2, "out_features"), {.bias = a.flag(3, "bias", true)}));
     }},
    {"Dropout", [](A& a) { return layer(nn::Dropout(a.number(0, "p", 0.5))); }},
    {"Dropout1d", [](A& a) { return layer(nn::Dropout1d(a.number(0, "p", 0.5))); }},
    {"Dropout2d", [](A& a) { return layer(nn::Dropout2d(a.number(0, "p", 0.5))); }},
    {"Dropout3d", [](A& a) { return layer(nn::Dropout3d(a.number(0, "p", 0.5))); }},
    {"AlphaDropout", [](A& a) { return layer(nn::AlphaDropout(a.number(0, "p", 0.5))); }},
    {"FeatureAlphaDropout",
     [](A& a) { return layer(nn::FeatureAlphaDropout(a.number(0, "p", 0.5))); }},
    {"CosineSimilarity",
     [](A& a) {
       return layer(nn::CosineSimilarity(a.integer(0, "dim", 1), a.number(1, "eps", 1e-8)));
     }},
    {"PairwiseDistance",
     [](A& a) {
       return layer(nn::PairwiseDistance(a.number(0, "p", 2), a.number(1, "eps", 1e-6),
                                         a.flag(2, "keepdim", false)));
     }},
};

// ---- tables ----

EmbeddingOptions embedding_options(A& a, size_t padding_idx, size_t max_norm) {
  EmbeddingOptions o;
  if (a.given(padding_idx, "padding_idx")) o.padding_idx = a.integer(padding_idx, "padding_idx");
  if (a.given(max_norm, "max_norm")) o.max_norm = a.number(max_norm, "max_norm");
  o.norm_type = a.number(max_norm + 1, "norm_type", 2);
  o.scale_grad_by_freq = a.flag(max_norm + 2, "scale_grad_by_freq", false);
  return o;
}

const Table kTables = {
    // NOLINT(cert-err58-cpp)
    {"Embedding",
     [](A& a) {
       return layer(nn::Embedding(a.integer(0, "num_embeddings"), a.integer(1, "embedding_dim"),
                                  embedding_options(a, 2, 3)));
     }},
    {"EmbeddingBag",
     [](A& a) {
       const std::map<std::string, BagMode> modes = {
           {"sum", BagMode::kSum}, {"mean", BagMode::kMean}, {"max", BagMode::kMax}};
       return layer(nn::EmbeddingBag(
           a.integer(0, "num_embeddings"), a.integer(1, "embedding_dim"),
           {.mode = modes.at(a.text(5, "mode", "mean")), .rows = embedding_options(a, 9, 2)}));
     }},
};

// ---- convolution ----

template <int Rank>
nn::Padding<Rank> padding(A& a) {
  const nlohmann::json* v = a.find(4, "padding");
  if (!v || !v->is_string()) return a.sizes<Rank>(4, "padding", 0);
  if (*v == "same") return nn::kSame;
  return nn::kValid;
}

PadMode padding_mode(A& a) {
  const std::string name = a.text(8, "padding_mode", "zeros");
  return name == "zeros" ? PadMode::kConstant : pad_mode_from(name);
}

template <class M, int Rank>
Layer conv(A& a) {
  return layer(M(a.integer(0, "in_channels"), a.integer(1, "out_channels"),
                 a.sizes<Rank>(2, "kernel_size"),
                 {.stride = a.sizes<Rank>(3, "stride", 1),
                  .padding = padding<Rank>(a),
                  .dilation = a.sizes<Rank>(5, "dilation", 1),
                  .groups = a.integer(6, "groups", 1),
                  .bias = a.flag(7, "bias", true),
                  .padding_mode = padding_mode(a)}));
}

template <class M, int Rank>
Layer conv_transpose(A& a) {
  const auto module = std::make_shared<M>(
      a.integer(0, "in_channels"), a.integer(1, "out_channels"), a.sizes<Rank>(2, "kernel_size"),
      nn::ConvTransposeOptions<Rank>{.stride = a.sizes<Rank>(3, "stride", 1),
                                     .padding = a.sizes<Rank>(4, "padding", 0),
                                     .output_padding = a.sizes<Rank>(5, "output_padding", 0),
                                     .groups = a.integer(6, "groups", 1),
                                     .bias = a.flag(7, "bias", true),
                                     .dilation = a.sizes<Rank>(8, "dilation", 1)});
  return {module, [module](const std::vector<Tensor>& in, A& call) -> std::vector<Tensor> {
            if (call.given(1, "output_size"))
              return {(*module)(in.at(0), call.sizes<Rank>(1, "output_size"))};
            return {(*module)(in.at(0))};
          }};
}

const Table kConvolutions = {
    // NOLINT(cert-err58-cpp)
    {"Conv1d", conv<nn::Conv1d, 1>},
    {"Conv2d", conv<nn::Conv2d, 2>},
    {"Conv3d", conv<nn::Conv3d, 3>},
    {"ConvTranspose1d", conv_transpose<nn::ConvTranspose1d, 1>},
    {"ConvTranspose2d", conv_transpose<nn::ConvTranspose2d, 2>},
    {"ConvTranspose3d", conv_transpose<nn::ConvTranspose3d, 3>},
};

// ---- normalization ----

template <class M, class Options>
Layer channel_norm(A& a) {
  Options o;
  o.eps = a.number(1, "eps", 1e-5);
  if (a.none(2, "momentum"))
    o.momentum = {};
  else
    o.momentum = a.number(2, "momentum", 0.1);
  a.given(2, "momentum");
  o.affine = a.flag(3, "affine", o.affine);
  o.track_running_stats = a.flag(4, "track_running_stats", o.track_running_stats);
  o.bias = a.flag(7, "bias", true);
  return layer(M(a.integer(0, "num_features"), o));
}

const Table kNorms = {
    // NOLINT(cert-err58-cpp)
    {"BatchNorm1d", channel_norm<nn::BatchNorm1d, nn::BatchNormOptions>},
    {"BatchNorm2d", channel_norm<nn::BatchNorm2d, nn::BatchNormOptions>},
    {"BatchNorm3d", channel_norm<nn::BatchNorm3d, nn::BatchNormOptions>},
    {"SyncBatchNorm", channel_norm<nn::SyncBatchNorm, nn::BatchNormOptions>},
    {"InstanceNorm1d", channel_norm<nn::InstanceNorm1d, nn::InstanceNormOptions>},
    {"InstanceNorm2d", channel_norm<nn::InstanceNorm2d, nn::InstanceNormOptions>},
    {"InstanceNorm3d", channel_norm<nn::InstanceNorm3d, nn::InstanceNormOptions>},
    {"GroupNorm",
     [](A& a) {
       return layer(nn::GroupNorm(a.integer(0, "num_groups"), a.integer(1, "num_channels"),
                                  {.eps = a.number(2, "eps", 1e-5),
                                   .affine = a.flag(3, "affine", true),
                                   .bias = a.flag(6, "bias", true)}));
     }},
    {"LayerNorm",
     [](A& a) {
       return layer(nn::LayerNorm(a.integers(0, "normalized_shape"),
                                  {.eps = a.number(1, "eps", 1e-5),
                                   .elementwise_affine = a.flag(2, "elementwise_affine", true),
                                   .bias = a.flag(3, "bias", true)}));
     }},
    {"RMSNorm",
     [](A& a) {
       nn::RMSNormOptions o;
       if (a.given(1, "eps")) o.eps = a.number(1, "eps");
       o.elementwise_affine = a.flag(2, "elementwise_affine", true);
       return layer(nn::RMSNorm(a.integers(0, "normalized_shape"), o));
     }},
    {"LocalResponseNorm",
     [](A& a) {
       return layer(
           nn::LocalResponseNorm(a.integer(0, "size"), {.alpha = a.number(1, "alpha", 1e-4),
                                                        .beta = a.number(2, "beta", 0.75),
                                                        .k = a.number(3, "k", 1)}));
     }},
};

// ---- pooling, padding, images ----

template <int Rank>
std::optional<nn::Sizes<Rank>> stride_of(A& a, size_t position) {
  if (!a.given(position, "stride")) return {};
  return a.sizes<Rank>(position, "stride");
}

template <class M, int Rank>
Layer max_pool(A& a) {
  return with_indices(
      M(a.sizes<Rank>(0, "kernel_size"), {.stride = stride_of<Rank>(a, 1),
                                          .padding = a.sizes<Rank>(2, "padding", 0),
                                          .dilation = a.sizes<Rank>(3, "dilation", 1),
                                          .ceil_mode = a.flag(5, "ceil_mode", false)}),
      a.flag(4, "return_indices", false));
}

template <class M, int Rank>
Layer max_unpool(A& a) {
  const auto module = std::make_shared<M>(
      a.sizes<Rank>(0, "kernel_size"),
      nn::MaxUnpoolOptions<Rank>{stride_of<Rank>(a, 1), a.sizes<Rank>(2, "padding", 0)});
  return {module, [module](const std::vector<Tensor>& in, A& call) -> std::vector<Tensor> {
            std::optional<nn::Sizes<Rank>> size;
            if (call.given(2, "output_size")) size = call.sizes<Rank>(2, "output_size");
            return {(*module)(in.at(0), in.at(1), size)};
          }};
}

template <class M, int Rank>
Layer avg_pool(A& a) {
  nn::AvgPoolOptions<Rank> o{.stride = stride_of<Rank>(a, 1),
                             .padding = a.sizes<Rank>(2, "padding", 0),
                             .ceil_mode = a.flag(3, "ceil_mode", false),
                             .count_include_pad = a.flag(4, "count_include_pad", true)};
  if (a.given(5, "divisor_override")) o.divisor_override = a.integer(5, "divisor_override");
  return layer(M(a.sizes<Rank>(0, "kernel_size"), o));
}

template <class M, int Rank>
Layer lp_pool(A& a) {
  return layer(M(a.number(0, "norm_type"), a.sizes<Rank>(1, "kernel_size"),
                 {stride_of<Rank>(a, 2), a.flag(3, "ceil_mode", false)}));
}

template <class M, int Rank>
Layer adaptive_avg_pool(A& a) {
  return layer(M(a.sizes<Rank>(0, "output_size")));
}

template <class M, int Rank>
Layer adaptive_max_pool(A& a) {
  return with_indices(M(a.sizes<Rank>(0, "output_size")), a.flag(1, "return_indices", false));
}

const Table kPools = {
    // NOLINT(cert-err58-cpp)
    {"MaxPool1d", max_pool<nn::MaxPool1d, 1>},
    {"MaxPool2d", max_pool<nn::MaxPool2d, 2>},
    {"MaxPool3d", max_pool<nn::MaxPool3d, 3>},
    {"MaxUnpool1d", max_unpool<nn::MaxUnpool1d, 1>},
    {"MaxUnpool2d", max_unpool<nn::MaxUnpool2d, 2>},
    {"MaxUnpool3d", max_unpool<nn::MaxUnpool3d, 3>},
    {"AvgPool1d", avg_pool<nn::AvgPool1d, 1>},
    {"AvgPool2d", avg_pool<nn::AvgPool2d, 2>},
    {"AvgPool3d", avg_pool<nn::AvgPool3d, 3>},
    {"LPPool1d", lp_pool<nn::LPPool1d, 1>},
    {"LPPool2d", lp_pool<nn::LPPool2d, 2>},
    {"LPPool3d", lp_pool<nn::LPPool3d, 3>},
    {"AdaptiveAvgPool1d", adaptive_avg_pool<nn::AdaptiveAvgPool1d, 1>},
    {"AdaptiveAvgPool2d", adaptive_avg_pool<nn::AdaptiveAvgPool2d, 2>},
    {"AdaptiveAvgPool3d", adaptive_avg_pool<nn::AdaptiveAvgPool3d, 3>},
    {"AdaptiveMaxPool1d", adaptive_max_pool<nn::AdaptiveMaxPool1d, 1>},
    {"AdaptiveMaxPool2d", adaptive_max_pool<nn::AdaptiveMaxPool2d, 2>},
    {"AdaptiveMaxPool3d", adaptive_max_pool<nn::AdaptiveMaxPool3d, 3>},
};

template <class M, int Rank>
Layer padded(A& a) {
  return layer(M(a.sizes<2 * Rank>(0, "padding")));
}

template <class M, int Rank>
Layer padded_with(A& a) {
  return layer(M(a.sizes<2 * Rank>(0, "padding"), a.number(1, "value")));
}

const Table kPadding = {
    // NOLINT(cert-err58-cpp)
    {"ZeroPad1d", padded<nn::ZeroPad1d, 1>},
    {"ZeroPad2d", padded<nn::ZeroPad2d, 2>},
    {"ZeroPad3d", padded<nn::ZeroPad3d, 3>},
    {"ReflectionPad1d", padded<nn::ReflectionPad1d, 1>},
    {"ReflectionPad2d", padded<nn::ReflectionPad2d, 2>},
    {"ReflectionPad3d", padded<nn::ReflectionPad3d, 3>},
    {"ReplicationPad1d", padded<nn::ReplicationPad1d, 1>},
    {"ReplicationPad2d", padded<nn::ReplicationPad2d, 2>},
    {"ReplicationPad3d", padded<nn::ReplicationPad3d, 3>},
    {"CircularPad1d", padded<nn::CircularPad1d, 1>},
    {"CircularPad2d", padded<nn::CircularPad2d, 2>},
    {"CircularPad3d", padded<nn::CircularPad3d, 3>},
    {"ConstantPad1d", padded_with<nn::ConstantPad1d, 1>},
    {"ConstantPad2d", padded_with<nn::ConstantPad2d, 2>},
    {"ConstantPad3d", padded_with<nn::ConstantPad3d, 3>},
};

std::vector<double> factors(A& a) {
  const nlohmann::json* v = a.find(1, "scale_factor");
  if (!v) return {};
  if (v->is_number()) return {v->get<double>()};
  return v->at("tuple").get<std::vector<double>>();
}

nn::UnfoldOptions windows(A& a, size_t first) {
  return {.dilation = a.sizes<2>(first, "dilation", 1),
          .padding = a.sizes<2>(first + 1, "padding", 0),
          .stride = a.sizes<2>(first + 2, "stride", 1)};
}

const Table kImages = {
    // NOLINT(cert-err58-cpp)
    {"Upsample",
     [](A& a) {
       InterpolateOptions o{.size = a.integers(0, "size"),
                            .scale_factor = factors(a),
                            .mode = a.text(2, "mode", "nearest")};
       if (a.given(3, "align_corners")) o.align_corners = a.flag(3, "align_corners");
       o.recompute_scale_factor = a.flag(4, "recompute_scale_factor", false);
       return layer(nn::Upsample(o));
     }},
    {"UpsamplingNearest2d",
     [](A& a) {
       return layer(
           nn::UpsamplingNearest2d({.size = a.integers(0, "size"), .scale_factor = factors(a)}));
     }},
    {"UpsamplingBilinear2d",
     [](A& a) {
       return layer(
           nn::UpsamplingBilinear2d({.size = a.integers(0, "size"), .scale_factor = factors(a)}));
     }},
    {"PixelShuffle", [](A& a) { return layer(nn::PixelShuffle(a.integer(0, "upscale_factor"))); }},
    {"PixelUnshuffle",
     [](A& a) { return layer(nn::PixelUnshuffle(a.integer(0, "downscale_factor"))); }},
    {"ChannelShuffle", [](A& a) { return layer(nn::ChannelShuffle(a.integer(0, "groups"))); }},
    {"Unfold", [](A& a) { return layer(nn::Unfold(a.sizes<2>(0, "kernel_size"), windows(a, 1))); }},
    {"Fold",
     [](A& a) {
       return layer(
           nn::Fold(a.sizes<2>(0, "output_size"), a.sizes<2>(1, "kernel_size"), windows(a, 2)));
     }},
};

std::vector<const Table*> all() {
  return {&kActivations, &kSimple,  &kTables, &kConvolutions, &kNorms,
          &kPools,       &kPadding, &kImages, &loss_makers(), &sequence_makers()};
}

}  // namespace

Layer make_layer(const std::string& name, Arguments& arguments) {
  for (const Table* table : all())
    if (const auto at = table->find(name); at != table->end()) return at->second(arguments);
  fail<KeyError>("no layer {}", name);
}

std::vector<std::string> layer_names() {
  std::vector<std::string> out;
  for (const Table* table : all())
    for (const auto& [name, maker] : *table) out.push_back(name);
  return out;
}

}  // namespace ballast::test

// ONNX, the exchange format that other run-times take networks in (https://onnx.ai).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ballast/nn/module.h"

namespace ballast::io {

struct OnnxOptions {
  /// Whether affine maps per channel (batch normalization) are folded into the weights of the
  /// convolution or product before them. Otherwise they become BatchNormalization nodes.
  bool fold = true;
  /// The version of ONNX's operators, 13 to 20.
  int64_t opset_version = 17;
  /// Names of inputs and outputs; "input", "output" (with several: "input0", "input1", ...) where
  /// none is given.
  std::vector<std::string> input_names{}, output_names{};
  /// Whether dimension 0 of inputs and outputs may have any size. Otherwise it has the example's.
  bool dynamic_batch = true;
  /// Instead of `dynamic_batch`, for each input: the name of dimension 0, whose size may be any; ""
  /// for an input whose size is the example's. Inputs of any size have the same.
  std::vector<std::string> input_batch{};
  /// For outputs: the name of the batch's size; "" or none: as for the first input that has one.
  std::vector<std::string> output_batch{};
  /// Whether constants are inputs, too, which whoever runs the file may replace.
  bool open_constants = false;
};

/// A computation: from inputs to outputs.
using OnnxFunction = std::function<std::vector<Tensor>(std::span<const Tensor>)>;

/// The bytes of an ONNX file that computes `f`. `f` is recorded, with gradients off, on inputs of
/// the shapes and types of `inputs`; what does not depend on the inputs becomes a constant, called
/// as in `names` where it is one of those tensors. `f` is recorded twice, with other values and,
/// for a dynamic batch, another batch size, so that a computation that looks at values, or holds
/// the batch size fast, is found out. Throws NotImplementedError, which names it, for an operation
/// that ONNX lacks; ValueError where the two recordings differ, for a wrong number of names and an
/// unsupported version.
std::string onnx_bytes(const OnnxFunction& f, std::span<const Tensor> inputs,
                       const OnnxOptions& options = {}, const StateDict& names = {});

/// Writes a module, as it computes in evaluation mode, to an ONNX file, atomically. `input` is an
/// example of its input. The module's mode is as before afterwards. Throws as `onnx_bytes`.
void export_onnx(nn::Module& module, const Tensor& input, const std::string& path,
                 const OnnxOptions& options = {});

}  // namespace ballast::io

// How layers without parameters are made of functions.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <tuple>

#include "ballast/nn/module.h"
#include "ballast/nn/options.h"

namespace ballast::nn {

/// A name as a template's argument.
template <size_t N>
struct Name {
  constexpr Name(const char (&s)[N]) { std::copy_n(s, N, text); }  // NOLINT
  char text[N];
};

/// A layer that computes `F(x, options...)`. `Names` are what the options are printed under (an
/// empty one prints the value alone); those behind the last name are not printed.
template <auto F, Name... Names>
class Apply;
template <class... Options, Tensor (*F)(const Tensor&, Options...), Name... Names>
class Apply<F, Names...> : public Module {
 public:
  explicit Apply(Options... options) : options_(options...) {}

  Tensor forward(const Tensor& x) override {
    return std::apply([&](const auto&... o) { return F(x, o...); }, options_);
  }
  std::string extra_repr() const override {
    constexpr std::array<std::string_view, sizeof...(Names)> kNames{Names.text...};
    std::string out;
    size_t i = 0;
    const auto add = [&](const auto& value) {
      if (i == kNames.size()) return;
      const std::string name(kNames[i++]);
      out += (out.empty() ? "" : ", ") + (name.empty() ? "" : name + "=") + python_str(value);
    };
    std::apply([&](const auto&... o) { (add(o), ...); }, options_);
    return out;
  }

 private:
  std::tuple<Options...> options_;
};

}  // namespace ballast::nn

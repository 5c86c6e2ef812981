// Diagnosis of Python modules, and event files.
#include "ballast/study/diagnose.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "ballast/io/events.h"
#include "bind.h"

namespace ballast::python {
namespace {

using study::NormLayer;

Tensor attribute(nb::handle layer, const char* name) {
  const nb::object value = layer.attr(name);
  return value.is_none() ? Tensor() : nb::cast<Tensor>(value);
}

NormLayer layer_of(const std::string& name, nb::handle layer) {
  NormLayer out;
  out.name = name;
  out.channels = nb::cast<int64_t>(layer.attr("num_features"));
  out.eps = nb::cast<double>(layer.attr("eps"));
  out.momentum = nb::cast<std::optional<double>>(layer.attr("momentum"));
  out.training = nb::cast<bool>(layer.attr("training"));
  out.weight = attribute(layer, "weight");
  out.bias = attribute(layer, "bias");
  out.running_mean = attribute(layer, "running_mean");
  out.running_var = attribute(layer, "running_var");
  out.num_batches_tracked = attribute(layer, "num_batches_tracked");
  return out;
}

/// `run(x, norm, layer)` calls the network with norm(i, x) in place of batch norm i, and
/// layer(name, x, y) after other layers.
study::Subject subject_of(const std::vector<std::pair<std::string, nb::object>>& norms,
                          const StateDict& state, const StateDict& parameters, nb::callable run) {
  study::Subject out{.norms = {}, .state = state, .parameters = parameters, .run = {}};
  for (const auto& [name, layer] : norms) out.norms.push_back(layer_of(name, layer));
  out.run = [run](const Tensor& x, study::Watcher& watcher) {
    const nb::object norm =
        nb::cpp_function([&watcher](size_t i, const Tensor& t) { return watcher.norm(i, t); });
    const nb::object layer =
        nb::cpp_function([&watcher](const std::string& name, const Tensor& before,
                                    const Tensor& after) { watcher.layer(name, before, after); });
    return nb::cast<Tensor>(run(x, norm, layer));
  };
  return out;
}

}  // namespace

void bind_diagnose(nb::module_& m) {
  using Norms = std::vector<std::pair<std::string, nb::object>>;
  using Batches = std::vector<std::pair<Tensor, std::optional<Tensor>>>;
  m.def(
      "_diagnose",
      [](const Norms& norms, const StateDict& state, const StateDict& parameters, nb::callable run,
         const Batches& given, std::optional<nb::callable> loss, int64_t batch_size,
         int64_t max_samples, std::optional<int64_t> steps) {
        std::vector<data::Batch> batches;
        for (const auto& [x, y] : given) batches.push_back({x, tensor_or_none(y)});
        study::DiagnoseOptions options;
        options.batch_size = batch_size;
        options.max_samples = max_samples;
        options.steps = steps;
        if (loss)
          options.loss = [f = *loss](const Tensor& output, const Tensor& target) {
            return nb::cast<Tensor>(f(output, none_if_undefined(target)));
          };
        const study::Diagnosis d =
            study::diagnose(subject_of(norms, state, parameters, run), batches, options);
        return std::pair(d.str(), d.json());
      },
      "norms"_a, "state"_a, "parameters"_a, "run"_a, "batches"_a, "loss"_a.none(), "batch_size"_a,
      "max_samples"_a, "steps"_a.none());

  nb::class_<io::EventWriter>(m, "_EventWriter")
      .def(nb::init<const std::string&, const std::string&>(), "folder"_a, "suffix"_a = "")
      .def("scalar", &io::EventWriter::scalar, "tag"_a, "value"_a, "step"_a, "wall_time"_a = -1.0)
      .def(
          "histogram",
          [](io::EventWriter& w, const std::string& tag, const Tensor& values, int64_t step,
             double wall_time) {
            const std::vector<double> v = values.detach().to(DType::kFloat64).values<double>();
            check<ValueError>(!v.empty(), "The input has no element.");
            w.histogram(tag, io::histogram_of(v), step, wall_time);
          },
          "tag"_a, "values"_a, "step"_a, "wall_time"_a = -1.0)
      .def("text", &io::EventWriter::text, "tag"_a, "text"_a, "step"_a, "wall_time"_a = -1.0)
      .def(
          "event",
          [](io::EventWriter& w, int field, nb::bytes content, int64_t step, double wall_time) {
            w.event(step, wall_time, field, std::string(content.c_str(), content.size()));
          },
          "field"_a, "content"_a, "step"_a, "wall_time"_a = -1.0)
      .def("restart", &io::EventWriter::restart, "step"_a)
      .def("flush", &io::EventWriter::flush)
      .def("close", &io::EventWriter::close)
      .def_prop_ro("path", &io::EventWriter::path);
}

}  // namespace ballast::python

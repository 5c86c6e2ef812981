// The study of batch normalization, of networks written in Python.
#include "ballast/study/study.h"

#include <algorithm>
#include <memory>

#include "ballast/base/threads.h"
#include "ballast/train/trainer.h"
#include "bind.h"

namespace ballast::python {
namespace {

/// A Python object that may be let go of by any thread.
std::shared_ptr<nb::object> shared(nb::object o) {
  return {new nb::object(std::move(o)), [](nb::object* held) {
            nb::gil_scoped_acquire acquire;
            delete held;
          }};
}

/// A Python module as one of C++: its parameters and buffers are the module's own.
class PythonNetwork : public nn::Module {
 public:
  explicit PythonNetwork(const nb::object& module) : module_(shared(module)) {
    int64_t number = 0;
    const auto name = [&](nb::handle pair) {  // without dots
      std::string text = nb::cast<std::string>(pair[0]);
      std::replace(text.begin(), text.end(), '.', '_');
      return fmt::format("{}_{}", number++, text);
    };
    for (nb::handle pair : module.attr("named_parameters")())
      add_parameter(name(pair), nb::cast<Tensor>(pair[1]));
    for (nb::handle pair : module.attr("named_buffers")())
      add_buffer(name(pair), nb::cast<Tensor>(pair[1]));
  }
  Tensor forward(const Tensor& x) override {
    nb::gil_scoped_acquire acquire;
    if (nb::cast<bool>(module_->attr("training")) != training()) module_->attr("train")(training());
    return nb::cast<Tensor>((*module_)(x));
  }

 private:
  std::shared_ptr<nb::object> module_;
};

data::ArrayDataset dataset(const Tensor& x, const Tensor& y) {
  const Tensor inputs = x.to(DType::kFloat32), labels = y.to(DType::kInt64);
  return {io::Array::of(inputs.shape(), inputs.values<float>()),
          io::Array::of(labels.shape(), labels.values<int64_t>())};
}

/// The samples in the first of the forms that a network can be given: images, rows of numbers,
/// colour images, principal components.
data::SplitArrays prepared(const study::Factory& make, const data::SplitArrays& raw) {
  std::string last = "it takes none of the forms";
  for (const auto kind : {models::Input::kImage, models::Input::kVector, models::Input::kColour,
                          models::Input::kComponents}) {
    try {
      const auto prepare = data::Preparation::fit(kind, raw.train.inputs);
      const std::vector<int64_t> two{0, 1};
      const data::ArrayDataset few = prepare(data::select(raw.train, two));
      const nn::ModulePtr network = make({});
      network->eval();
      const NoGrad off;
      const Tensor logits = (*network)(data::TensorDataset(few).x());
      if (logits.dim() == 2 && logits.size(0) == 2) {
        logits.eval();
        return {prepare(raw.train), prepare(raw.test)};
      }
      last = fmt::format("it gives {} for two samples, not two rows of logits", logits.shape());
    } catch (const nb::python_error& e) {
      last = e.what();
    } catch (const Error& e) {
      last = e.what();
    }
  }
  fail<ValueError>("the network cannot be given these samples: {}", last);
}

struct Request {
  std::string model, data, folder, command;
  std::vector<std::string> claims;
  bool quick = false, progress = false;
};

/// Measures, with the interpreter's lock released; an interrupt stops it.
std::string measured(const study::Task& task, const Request& r, const nb::object& on_result) {
  const auto tell = [&](const study::Result& result) {
    nb::gil_scoped_acquire acquire;
    const study::Finding& f = result.finding;
    on_result(result.claim->name, study::name_of(f.verdict), f.sentence, f.timing,
              study::network_of(*result.claim));
  };
  const train::StopOnSignal signals;
  nb::gil_scoped_release release;
  return study::json_of(study::run(
      task,
      {.claims = r.claims,
       .effort = r.quick ? study::Effort::kQuick : study::Effort::kFull,
       .folder = r.folder,
       .command = r.command,
       .stop = &signals.flag(),
       .progress = r.progress,
       .on_result = on_result.is_none() ? std::function<void(const study::Result&)>() : tell}));
}

/// `samples` is "digits", a file, or (x, y) for training and test.
std::string run_study(nb::object factory, nb::object samples, const Request& r,
                      const nb::object& on_result) {
  const auto build = shared(std::move(factory));
  study::Task task{.model = r.model, .data = r.data, .make = {}, .train = {}, .test = {}};
  task.make = [build](const study::Recipe& recipe) -> nn::ModulePtr {
    nb::gil_scoped_acquire acquire;
    return std::make_shared<PythonNetwork>((*build)(study::name_of(recipe.norm), recipe.dropout));
  };
  data::SplitArrays split;
  if (nb::isinstance<nb::str>(samples)) {
    split = prepared(task.make, data::load_split(nb::cast<std::string>(samples)));
  } else {
    const auto at = [&](int i) { return nb::cast<Tensor>(samples[i]); };
    split = {dataset(at(0), at(1)), dataset(at(2), at(3))};
  }
  task.train = split.train;
  task.test = split.test;
  task.classes = study::classes_of(split);
  return measured(task, r, on_result);
}

}  // namespace

void bind_study(nb::module_& m) {
  m.def(
      "_study",
      [](nb::object factory, nb::object samples, const std::string& model, const std::string& data,
         const std::vector<std::string>& claims, bool quick, const std::string& folder,
         const std::string& command, bool progress, const nb::object& on_result) {
        try {
          return run_study(std::move(factory), std::move(samples),
                           {model, data, folder, command, claims, quick, progress}, on_result);
        } catch (const study::Stopped&) {
          PyErr_SetNone(PyExc_KeyboardInterrupt);
          throw nb::python_error();
        }
      },
      "factory"_a, "samples"_a, "model"_a, "data"_a, "claims"_a, "quick"_a, "folder"_a, "command"_a,
      "progress"_a, "on_result"_a.none());
  m.def("_study_claims", [] {
    std::vector<std::string> names;
    for (const study::Claim& c : study::claims()) names.emplace_back(c.name);
    return names;
  });
  m.attr("_study_ghost_batch") = study::kGhostBatch;
}

}  // namespace ballast::python

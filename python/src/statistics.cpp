// The C++ half of ballast.study's tools.
#include "ballast/study/exact_batch.h"
#include "ballast/study/fold.h"
#include "ballast/study/precise_bn.h"
#include "bind.h"

namespace ballast::python {
namespace {

/// A recorder that Python puts in force and out of force.
class Recorder {
 public:
  void enter() { scope_.emplace(data_); }
  void exit() { scope_.reset(); }
  void collect() {
    nb::gil_scoped_release release;
    data_.collect();
  }
  void write(double prior) const { data_.write(prior); }

 private:
  study::RunningMoments data_;
  std::optional<study::StatisticsRecorder> scope_;
};

}  // namespace

void bind_statistics(nb::module_& m) {
  nb::class_<Recorder>(m, "_StatisticsRecorder")
      .def(nb::init<>())
      .def("enter", &Recorder::enter)
      .def("exit", &Recorder::exit)
      .def("collect", &Recorder::collect)
      .def("write", &Recorder::write);
  nb::class_<study::ExactBatch>(m, "_ExactBatch")
      .def(nb::init<int>())
      .def("add",
           [](study::ExactBatch& step, double weight, const nb::callable& loss) {
             step.add(weight, [&] { return nb::cast<Tensor>(loss()); });
           })
      .def("run", &study::ExactBatch::run, nb::call_guard<nb::gil_scoped_release>());
  m.def("_foldable",
        [](const std::vector<Tensor>& outputs, const std::vector<Tensor>& weights,
           const std::vector<Tensor>& means) { return study::foldable(outputs, weights, means); });
}

}  // namespace ballast::python

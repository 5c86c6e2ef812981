// The recorder of evaluations: ballast._core.Recorder.
#include "ballast/sweep/explain.h"

#include <optional>

#include "bind.h"

namespace ballast::python {
namespace {

/// Records between `__enter__` and `__exit__`; what was recorded stays readable.
struct RecorderObject {
  std::optional<Recorder> recorder;
  std::vector<PlanReport> plans;
  MemoryReport memory;

  void stop() {
    if (recorder) {
      plans = recorder->plans();
      memory = recorder->memory();
    }
    recorder.reset();
  }
};

}  // namespace

void bind_explain(nb::module_& m) {
  nb::class_<RecorderObject>(m, "Recorder")
      .def(nb::init<>())
      .def(
          "__enter__",
          [](RecorderObject& r) -> RecorderObject& {
            r.recorder.emplace();
            return r;
          },
          nb::rv_policy::reference)
      .def("__exit__", [](RecorderObject& r, const nb::args&) { r.stop(); })
      .def("tables",
           [](const RecorderObject& r) {
             std::vector<std::string> tables;
             for (const PlanReport& p : r.plans) tables.push_back(to_table(p));
             tables.push_back(to_line(r.memory));
             return tables;
           })
      .def("json", [](const RecorderObject& r) { return to_json(r.plans, r.memory); });
}

}  // namespace ballast::python

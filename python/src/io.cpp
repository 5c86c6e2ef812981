// Checkpoints: values between Python and C++.
#include <unordered_map>
#include <unordered_set>

#include "ballast/base/text.h"
#include "ballast/io/pt.h"
#include "ballast/io/state.h"
#include "bind.h"

namespace ballast::python {
namespace {

using io::Object;
using Kind = Object::Kind;

/// Python's classes that values are made of, looked up once per call.
struct Classes {
  nb::object ordered_dict = nb::module_::import_("collections").attr("OrderedDict");
  nb::object counter = nb::module_::import_("collections").attr("Counter");
  nb::object size = nb::module_::import_("ballast").attr("Size");
  nb::object device = nb::module_::import_("ballast").attr("device");
  nb::object parameter = nb::module_::import_("ballast.nn").attr("Parameter");
};

class ToPython {
 public:
  nb::object convert(const Object& o) {
    switch (o.kind()) {
      case Kind::kNone:
        return nb::none();
      case Kind::kBool:
        return nb::bool_(o.as_bool());
      case Kind::kInt:
        return nb::int_(o.as_int());
      case Kind::kFloat:
        return nb::float_(o.as_float());
      case Kind::kDType:
        return dtype_object(o.as_dtype());
      default:
        break;
    }
    // What is shared stays shared.
    const auto [at, added] = made_.try_emplace({o.identity(), o.kind() == Kind::kParameter});
    if (added) {
      nb::object made = shared(o);
      made_[{o.identity(), o.kind() == Kind::kParameter}] = made;
      return made;
    }
    return at->second;
  }

 private:
  nb::object shared(const Object& o) {
    switch (o.kind()) {
      case Kind::kString: {
        const std::string& s = o.as_string();
        PyObject* text =
            PyUnicode_DecodeUTF8(s.data(), static_cast<Py_ssize_t>(s.size()), "surrogatepass");
        if (!text) throw nb::python_error();
        return nb::steal(text);
      }
      case Kind::kBytes:
        return nb::bytes(o.as_string().data(), o.as_string().size());
      case Kind::kDevice:
        return classes_.device(nb::str(o.as_string().c_str()));
      case Kind::kTensor:
        return nb::cast(o.as_tensor());
      case Kind::kParameter:
        return classes_.parameter(nb::cast(o.as_tensor().detach()), o.as_tensor().requires_grad());
      case Kind::kDict:
        return dict(o);
      default:
        break;
    }
    nb::list items;
    for (const Object& item : o.items()) items.append(convert(item));
    if (o.kind() == Kind::kTuple) return nb::tuple(items);
    if (o.kind() == Kind::kSize) return classes_.size(items);
    if (o.kind() == Kind::kSet) return nb::set(items);
    return items;
  }
  nb::object dict(const Object& o) {
    nb::object out = nb::dict();
    if (o.dict_kind() == Object::DictKind::kOrdered) out = classes_.ordered_dict();
    if (o.dict_kind() == Object::DictKind::kCounter) out = classes_.counter();
    for (const auto& [key, value] : o.entries()) {
      const nb::object k = convert(key), v = convert(value);
      if (PyObject_SetItem(out.ptr(), k.ptr(), v.ptr()) != 0) throw nb::python_error();
    }
    if (o.attributes().is_dict() && nb::hasattr(out, "__dict__"))
      out.attr("__dict__").attr("update")(convert(o.attributes()));
    return out;
  }

  struct Hash {
    size_t operator()(const std::pair<const void*, bool>& p) const {
      return std::hash<const void*>()(p.first) ^ static_cast<size_t>(p.second);
    }
  };
  Classes classes_;
  std::unordered_map<std::pair<const void*, bool>, nb::object, Hash> made_;
};

class FromPython {
 public:
  Object convert(nb::handle h, const std::string& path) {
    PyObject* p = h.ptr();
    if (p == Py_None) return {};
    if (PyBool_Check(p)) return p == Py_True;
    if (PyLong_Check(p)) return integer(p, path);
    if (PyFloat_Check(p)) return PyFloat_AS_DOUBLE(p);
    if (PyUnicode_Check(p)) return nb::cast<std::string>(nb::str(h));
    if (PyBytes_Check(p)) return Object::bytes({PyBytes_AS_STRING(p), size_t(PyBytes_GET_SIZE(p))});
    if (PyByteArray_Check(p))
      return Object::bytes({PyByteArray_AS_STRING(p), size_t(PyByteArray_GET_SIZE(p))});
    if (DTypeObject* t = nullptr; nb::try_cast(h, t) && t) return dtype_from(h);
    if (h.type().is(classes_.device)) return Object::device(nb::str(h).c_str());
    if (is_numpy_scalar(h)) return convert(h.attr("item")(), path);

    if (const auto at = made_.find(p); at != made_.end()) return at->second;
    check<ValueError>(open_.insert(p).second && open_.size() < 200,
                      "save: '{}' holds itself, or is nested too deep", path);
    const Object made = shared(h, path);
    open_.erase(p);
    keep_.push_back(nb::borrow(h));
    return made_[p] = made;
  }

 private:
  Object integer(PyObject* p, const std::string& path) {
    const int64_t v = PyLong_AsLongLong(p);
    if (v == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      fail<ValueError>("save: the whole number in '{}' does not fit 64 bits", path);
    }
    return v;
  }
  static bool is_numpy_scalar(nb::handle h) {
    return nb::hasattr(h, "dtype") && nb::hasattr(h, "item") && !is_tensor(h) &&
           nb::hasattr(h, "ndim") && !nb::hasattr(h, "__setitem__") && !nb::hasattr(h, "__dict__");
  }
  Object shared(nb::handle h, const std::string& path) {
    if (is_tensor(h)) {
      const Tensor t = nb::cast<Tensor>(h);
      row_major(t);
      return nb::isinstance(h, classes_.parameter) ? Object::parameter(t) : Object(t);
    }
    const nb::handle type = h.type();
    if (type.is(&PyDict_Type) || is_ordered(h) || type.is(classes_.counter)) return dict(h, path);
    if (type.is(&PyList_Type)) return Object::list(items(h, path));
    if (type.is(&PyTuple_Type)) return Object::tuple(items(h, path));
    if (type.is(classes_.size)) return Object::size(items(h, path));
    if (type.is(&PySet_Type)) return Object::set(items(h, path));
    fail<TypeError>(
        "save: cannot save {} ('{}'): only tensors, numbers, text and dictionaries, lists, tuples "
        "and sets of these; of a module save its state_dict()",
        nb::cast<std::string>(type.attr("__name__")), path);
  }
  /// The state dicts of modules are a class of their own.
  bool is_ordered(nb::handle h) const { return nb::isinstance(h, classes_.ordered_dict); }
  Object::List items(nb::handle h, const std::string& path) {
    Object::List out;
    for (nb::handle item : h) out.push_back(convert(item, fmt::format("{}.{}", path, out.size())));
    return out;
  }
  Object dict(nb::handle h, const std::string& path) {
    Object::Entries entries;
    for (nb::handle item : h.attr("items")()) {
      const nb::handle key = item[0];
      const Object k = convert(key, path);
      check<TypeError>(k.kind() <= Kind::kBytes,
                       "save: the keys of a dictionary must be text, numbers or None, in '{}'",
                       path);
      const std::string name = nb::cast<std::string>(nb::str(key));
      entries.emplace_back(k, convert(item[1], path.empty() ? name : path + "." + name));
    }
    const auto kind = is_ordered(h)                   ? Object::DictKind::kOrdered
                      : h.type().is(classes_.counter) ? Object::DictKind::kCounter
                                                      : Object::DictKind::kPlain;
    Object attributes;
    if (kind == Object::DictKind::kOrdered) {
      const nb::object assigned = h.attr("__dict__");
      if (nb::len(assigned) > 0) attributes = convert(assigned, path);
    }
    return Object::dict(std::move(entries), kind, attributes);
  }

  Classes classes_;
  std::unordered_map<PyObject*, Object> made_;
  std::unordered_set<PyObject*> open_;
  std::vector<nb::object> keep_;  // so that no address is used twice
};

nb::object parse(nb::bytes content, const std::string& name) {
  Object value;
  {
    const std::span bytes(static_cast<const std::byte*>(content.data()), content.size());
    nb::gil_scoped_release release;
    value = io::parse_checkpoint(bytes, name);
  }
  return ToPython().convert(value);
}

nb::object load(const std::string& path, bool map) {
  Object value;
  {
    nb::gil_scoped_release release;
    value = io::read_checkpoint(path, map);
  }
  return ToPython().convert(value);
}

void translate(const std::exception_ptr& p, void*) {
  try {
    std::rethrow_exception(p);
  } catch (const io::UnpicklingError& e) {
    PyErr_SetString(nb::module_::import_("pickle").attr("UnpicklingError").ptr(),
                    as_utf8(e.what()).c_str());
  }
}

}  // namespace

void bind_io(nb::module_& m) {
  nb::register_exception_translator(translate);
  m.def("_load", &load, "path"_a, "map"_a);
  m.def("_parse", &parse, "content"_a, "name"_a);
  // To a path: the format is PyTorch's, unless it `by_ending` is another one.
  m.def(
      "_save",
      [](const std::string& path, nb::handle value, bool by_ending, bool legacy) {
        const Object object = FromPython().convert(value, "");
        nb::gil_scoped_release release;
        if (by_ending)
          io::write_checkpoint(path, object);
        else
          io::write_pt(path, object, legacy ? io::PtFormat::kLegacy : io::PtFormat::kZip);
      },
      "path"_a, "value"_a.none(), "by_ending"_a, "legacy"_a);
  m.def(
      "_save_bytes",
      [](nb::handle value, bool legacy) {
        const Object object = FromPython().convert(value, "");
        std::string bytes;
        {
          nb::gil_scoped_release release;
          bytes = io::pt_bytes(object, legacy ? io::PtFormat::kLegacy : io::PtFormat::kZip);
        }
        return nb::bytes(bytes.data(), bytes.size());
      },
      "value"_a.none(), "legacy"_a);
}

}  // namespace ballast::python

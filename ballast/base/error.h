// Exceptions. Kinds follow Python's, so that the bindings raise what a PyTorch user expects.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>

namespace ballast {

/// Base of everything the library throws; PyTorch's `RuntimeError`.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// An argument has the right type but an impossible value.
class ValueError : public Error {
 public:
  using Error::Error;
};
/// A dimension or position lies outside its range.
class IndexError : public Error {
 public:
  using Error::Error;
};
/// An argument's type (or dtype) does not fit.
class TypeError : public Error {
 public:
  using Error::Error;
};
/// A name (module, parameter, option) is not known.
class KeyError : public Error {
 public:
  using Error::Error;
};
/// PyTorch has it, Ballast lacks it (yet).
class NotImplementedError : public Error {
 public:
  using Error::Error;
};
/// A file cannot be read or written, or is not what it should be.
class FileError : public Error {
 public:
  using Error::Error;
};

/// Throws `E` with a message formatted by fmt.
template <class E = Error, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws `E` with the message unless `ok`.
template <class E = Error, class... Args>
void check(bool ok, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) [[unlikely]]
    fail<E>(format, std::forward<Args>(args)...);
}

}  // namespace ballast

// What .npz needs of .npy.
#pragma once

#include <string>

#include "ballast/io/array.h"

namespace ballast::io {

/// The bytes before an array's elements in a .npy file (version 1).
std::string npy_header(const Array& array);

}  // namespace ballast::io

#include "ballast/base/dtype.h"

namespace ballast {

const char* name_of(DType t) {
  switch (t) {
    case DType::kBool:
      return "bool";
    case DType::kUint8:
      return "uint8";
    case DType::kInt64:
      return "int64";
    case DType::kFloat32:
      return "float32";
    case DType::kFloat64:
      return "float64";
  }
  return "?";
}

}  // namespace ballast

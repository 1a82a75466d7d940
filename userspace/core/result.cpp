#include "core/result.h"

#include <cstring>

namespace socktrace {

Error Error::system(std::string_view context, int code, ErrorKind kind) {
  return {std::string(context) + ": " + std::strerror(code), kind, code};
}

Error Error::within(std::string_view context) && {
  message = std::string(context) + ": " + message;
  return std::move(*this);
}

}  // namespace socktrace

#pragma once

#include <optional>
#include <string_view>

namespace socktrace {

// "EADDRINUSE" for EADDRINUSE: the errors that socket system calls and socket buffers return. Empty for
// others.
std::string_view errno_name(int code);
std::optional<int> errno_from_name(std::string_view name);

}  // namespace socktrace

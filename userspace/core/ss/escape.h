#pragma once

#include <string>
#include <string_view>

namespace socktrace::ss {

// Appends text that processes chose, so that it cannot control the terminal or break the line: bytes that are
// not printable ASCII as \xHH, unless they are well-formed UTF-8 of printable characters.
void append_escaped(std::string& out, std::string_view text);

}  // namespace socktrace::ss

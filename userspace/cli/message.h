#pragma once

#include <string_view>

namespace socktrace::cli {

// One line on standard error: "socktrace: why: TEXT" for `command` "why", "socktrace: TEXT" for none. Whatever names stand in
// the text, it is one line that is safe on a terminal.
void print_message(std::string_view command, std::string_view text);

}  // namespace socktrace::cli

#pragma once

#include <string_view>

namespace socktrace::cli {

std::string_view help_text();     // --help: fits a terminal of 80 columns
std::string_view version_text();  // "socktrace 0.1.0"

}  // namespace socktrace::cli

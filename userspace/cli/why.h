#pragma once

#include <string>
#include <vector>

#include "core/result.h"

namespace socktrace::cli {

// `socktrace why WHERE`: who holds a port, whether a bind there would work and with what, or what a process holds.
// The value is the exit code: 0 held, 1 free.
Result<int> run_why_command(const std::vector<std::string>& words);

}  // namespace socktrace::cli

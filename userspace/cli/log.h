#pragma once

#include <string>
#include <vector>

#include "core/result.h"

namespace socktrace::cli {

// `socktrace log WORDS…`: recorded events as live ones are shown, or as the lines of the log; with --diff what has
// changed between two moments. The value is the exit code.
Result<int> run_log_command(const std::vector<std::string>& words);

}  // namespace socktrace::cli

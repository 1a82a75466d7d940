#pragma once

#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "core/result.h"

namespace socktrace::cli {

// Runs one command line, without the program's name. The value is the exit code.
Result<int> run(const std::vector<std::string>& words);

}  // namespace socktrace::cli

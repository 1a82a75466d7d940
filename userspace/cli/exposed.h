#pragma once

#include <string>
#include <vector>

#include "core/result.h"

namespace socktrace::cli {

// `socktrace exposed WORDS…`: listeners by from where they can be reached. The value is the exit code: 1 when other
// hosts may reach one that is not allowed.
Result<int> run_exposed_command(const std::vector<std::string>& words);

}  // namespace socktrace::cli

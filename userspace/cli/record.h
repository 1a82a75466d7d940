#pragma once

#include <string>
#include <vector>

#include "core/result.h"

namespace socktrace::cli {

// `socktrace record WORDS…`: trace mode without a screen, into a log that is rotated. The value is the exit code.
Result<int> run_record_command(const std::vector<std::string>& words);

std::string_view record_help();

}  // namespace socktrace::cli

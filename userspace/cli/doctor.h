#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace socktrace::cli {

// `socktrace doctor WORDS…`: what tracing on this host depends on, and a self-test. The value is the exit code.
Result<int> run_doctor_command(const std::vector<std::string>& words);

std::string_view doctor_help();

}  // namespace socktrace::cli

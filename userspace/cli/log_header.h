#pragma once

#include <string>
#include <vector>

#include "core/log/record.h"
#include "probe/tracer.h"

namespace socktrace::cli {

// The first line of a log: which host, boot and run it is of, and what was recorded.
LogHeader make_log_header(const std::string& filter, const std::vector<probe::Hook>& hooks);

}  // namespace socktrace::cli

#pragma once

#include "cli/trace_options.h"
#include "core/result.h"

namespace socktrace::cli {

// Trace mode: the table, then live events until Ctrl-C or the end of --for. The value is the exit code.
Result<int> run_trace(const TraceOptions& options);

}  // namespace socktrace::cli

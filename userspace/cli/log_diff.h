#pragma once

#include "cli/log_options.h"
#include "cli/past.h"
#include "cli/selection.h"

namespace socktrace::cli {

// `socktrace log --diff T1 T2`: sockets that appeared, went or changed. The value is the exit code, 1 when there is
// any difference.
Result<int> print_diff(const LogCommand& command, const Selection& selection, bool color,
                       const Message& message);

}  // namespace socktrace::cli

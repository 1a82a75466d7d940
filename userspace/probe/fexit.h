#pragma once

#include <string>

namespace socktrace::probe {

// Whether this kernel takes programs at the entry and exit of its functions, found out by loading one: some architectures
// lack them (arm64 before 6.0), some hosts forbid them. Empty when it does, else why not. Costs some milliseconds,
// where loading everything in vain would cost ten times that.
std::string fexit_refusal();

}  // namespace socktrace::probe

#pragma once

#include "core/result.h"

namespace socktrace::sys {

// What a process may ask the kernel for, besides what every recorder does.
struct SyscallNeeds {
  bool enter_namespaces = false;  // setns() into network namespaces
};

// From here on, for all threads and for good: only the system calls that reading /proc and sock_diag, writing and
// rotating a log, and printing need. The others fail with EPERM: no program is executed or traced, nothing is mounted,
// no memory becomes executable, no socket but netlink and unix ones is made, no BPF program or map. Sets no_new_privs.
Result<void> allow_only_needed_syscalls(const SyscallNeeds& needs);

}  // namespace socktrace::sys

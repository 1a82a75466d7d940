#pragma once

#include <functional>
#include <string>

#include "core/result.h"

namespace socktrace::sys {

// What has to go on working after everything is attached.
struct SandboxNeeds {
  bool other_namespaces = false;  // dumps of other network namespaces
  bool scan_descriptors = false;  // owners are read from /proc, as there is no iterator
  // Whether sockets' owners can be listed by the kernel's iterator now; asked with fewer capabilities than before.
  std::function<bool()> can_iterate;
  std::string log_directory;  // where files are made while we run; empty: nowhere
};

// Leaves this process what the needs come to, for good:
//   CAP_SYS_PTRACE       the executable and the namespaces of other users' processes
//   CAP_SYS_ADMIN        with other_namespaces: setns()
//   CAP_DAC_READ_SEARCH  with scan_descriptors: /proc/PID/fd of other users
//   CAP_BPF              if can_iterate() fails without: Linux 5.10
//   CAP_DAC_OVERRIDE     if the log's directory is not ours to write
// each only if we have it; no core dumps, no ptrace by the same user, no_new_privs, and a few system calls
// (syscall_filter.h). Must be called before any thread is made: capabilities belong to threads.
Result<void> enter_sandbox(const SandboxNeeds& needs);

}  // namespace socktrace::sys

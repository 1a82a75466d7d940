#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/result.h"

namespace socktrace::source {

struct NetworkNamespace {
  uint32_t inode = 0;  // identifies it while it exists
  std::string name;    // as `ip netns` knows it; empty when it has none
  uint32_t pid = 0;    // some process in it; 0 when only its name keeps it
};

// Calls `visit` inside every network namespace that a process is in or that has a name, the current one
// first, and comes back. Needs CAP_SYS_ADMIN for others than the current one: those that cannot be entered
// are counted in the value. No descriptor of a namespace outlives its visit, so that none is kept alive. An
// error from `visit` ends it.
using NamespaceVisitor = std::function<Result<void>(const NetworkNamespace&)>;
Result<size_t> in_every_netns(const NamespaceVisitor& visit);

// Calls `visit` inside the namespace /run/netns/NAME, and comes back.
Result<void> in_named_netns(const std::string& name, const NamespaceVisitor& visit);

}  // namespace socktrace::source

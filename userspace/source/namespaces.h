#pragma once

#include <functional>
#include <string>

#include "core/result.h"
#include "sys/netns.h"

namespace socktrace::source {

// Calls `visit` inside every network namespace that sys::list_netns() finds, the current one first, each on a thread of
// its own, one after another. Needs CAP_SYS_ADMIN for others than the current one: those that cannot be entered are
// counted in the value. No descriptor of a namespace outlives its visit, so that none is kept alive. An error from
// `visit` ends it.
using NamespaceVisitor = std::function<Result<void>(const sys::NetNamespace&)>;
Result<size_t> in_every_netns(const NamespaceVisitor& visit);

// The namespace of that name (/run/netns/NAME), else of that process, or behind that path; "self" is our own.
// ErrorKind::usage when it is none of these.
Result<sys::NetNamespace> named_netns(const std::string& name);

}  // namespace socktrace::source

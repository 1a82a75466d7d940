#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "sys/netns.h"

namespace socktrace::cli {

// Inode numbers of the network namespaces that are called so: by `ip netns`, else as the Netns column names them.
std::vector<uint32_t> netns_called(const std::string& name);

// What -N means: a name of either kind, a pid, a path, an inode number or "self". ErrorKind::usage when it is none, or the name
// of several.
Result<sys::NetNamespace> netns_of_option(const std::string& name);

}  // namespace socktrace::cli

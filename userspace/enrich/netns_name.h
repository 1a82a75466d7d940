#pragma once

#include <string>

#include "sys/netns.h"
#include "sys/procfs.h"

namespace socktrace::enrich {

// What to call a network namespace: its `ip netns` name, "host" for the first one or that of process 1, the container
// (as its runtime's commands list it) or unit of the process inside, else the inode number.
std::string netns_name(const sys::NetNamespace& netns, const sys::Procfs& procfs);
// The same by this host's /proc.
std::string netns_name(const sys::NetNamespace& netns);

}  // namespace socktrace::enrich

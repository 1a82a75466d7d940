#pragma once

#include <string>

#include "sys/netns.h"
#include "sys/procfs.h"

namespace socktrace::enrich {

// What to call a network namespace: "" for ours, its `ip netns` name, "init" for that of process 1, the
// container or unit of the process inside, else the inode number.
std::string netns_name(const sys::NetNamespace& netns, const sys::Procfs& procfs);

}  // namespace socktrace::enrich

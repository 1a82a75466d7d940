#pragma once

#include <cstdint>
#include <span>

#include "core/result.h"
#include "source/owners.h"
#include "sys/procfs.h"

namespace socktrace::source {

// The owners of all sockets, found once in the way that is quicker here: the links in /proc/*/fd when there
// are few descriptors, else the kernel's iterator over descriptor tables (which takes a while to load, but
// then a fraction of the time per descriptor), and /proc again where that iterator is not to be had.
// `wanted`, unless empty: who holds other inodes than these will not be asked, and may be missing.
Result<OwnerMap> find_owners(const sys::Procfs& procfs, std::span<const uint32_t> wanted = {});
// The same by the kernel's iterator if at all possible: only that tells the options of the sockets.
Result<OwnerMap> find_owners_and_options(const sys::Procfs& procfs);

}  // namespace socktrace::source

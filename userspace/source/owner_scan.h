#pragma once

#include "core/result.h"
#include "source/owners.h"
#include "sys/procfs.h"

namespace socktrace::source {

// Owners from /proc/*/fd, for who may not or cannot use the tracer. Processes of other users cannot be read
// without CAP_SYS_PTRACE; they are counted. Processes and descriptors that go away meanwhile are passed over.
//
// Reading a link takes 3 us and a large server has tens of thousands, so that up to `threads` share the work,
// that of one process too; 0: as many as there are processors, at most 8.
Result<OwnerMap> scan_owners(const sys::Procfs& procfs, unsigned threads = 0);

}  // namespace socktrace::source

#pragma once

#include <string>
#include <vector>

#include "core/event.h"
#include "core/process.h"
#include "sys/procfs.h"

namespace socktrace::enrich {

// What a person asks next about a process: how it was called, and by whom.
struct Lineage {
  std::string command;  // words separated by blanks, at most 4 KiB; empty: a kernel thread, or unreadable
  std::vector<Ancestor> parents;  // its parent first, up to pid 1; empty when it has exited
};

// Of the process as it is now; empty when the number belongs to another by now. Reads a few files of /proc for each
// ancestor: for failures, not for every event.
Lineage lineage_of(const sys::Procfs& procfs, const Process& process);

// Fills in command and parents of the holders of conflicts, where a process of theirs lives, and for whom they hold the
// port, where a service manager or a proxy does.
void add_lineage(std::vector<Conflict>& conflicts);

}  // namespace socktrace::enrich

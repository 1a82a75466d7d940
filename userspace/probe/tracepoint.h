#pragma once

#include "sys/unique_fd.h"

struct bpf_link;
struct bpf_program;

namespace socktrace::probe {

// The directory that numbers the tracepoints; opened on first use and kept until destroyed.
class Tracefs {
 public:
  // The id of "syscalls/sys_enter_bind" (perf_event_attr.config), or -1 with errno set.
  int id(const char* tracepoint);

 private:
  sys::UniqueFd directory_;
};

// Attaches a program whose section is "tracepoint/CATEGORY/NAME". NULL with errno set on failure: ENOENT
// without tracefs, EACCES where perf_event_paranoid forbids it.
bpf_link* attach_tracepoint(Tracefs& tracefs, bpf_program* program);

}  // namespace socktrace::probe

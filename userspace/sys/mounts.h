#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "sys/unique_fd.h"

namespace socktrace::sys {

// One line of /proc/PID/mountinfo (proc(5)): "36 35 98:0 /root /point opts tag:1 ... - type source
// superopts". Blanks, tabs, newlines and backslashes in paths are written as \ooo.
struct Mount {
  std::string root;   // what of the filesystem is mounted here; "/" is all of it
  std::string point;  // where
  std::string type;
  std::string source;
  std::string super_options;
};

// Lines that are no mounts are passed over.
std::vector<Mount> parse_mountinfo(std::string_view text);
Result<std::vector<Mount>> read_mounts(const char* mountinfo = "/proc/self/mountinfo");

// Where what looks like all of cgroup2 is mounted: /sys/fs/cgroup, or /sys/fs/cgroup/unified on hosts that also have v1.
Result<std::string> find_cgroup2(const std::vector<Mount>& mounts);
// Where the whole hierarchy is: hooks attached to a part miss the rest of the host. It may be hidden here: `ip netns exec`
// mounts over it, and a cgroup namespace takes a part for the whole (cgroup_namespaces(7)). Then a parent may have it, at
// /proc/PID/root/…, up to the first process of the host if this pid namespace is the host's; for CAP_SYS_PTRACE.
Result<std::string> locate_cgroup2(const std::vector<Mount>& mounts);
// /sys/kernel/tracing, or /sys/kernel/debug/tracing on older hosts.
Result<std::string> find_tracefs(const std::vector<Mount>& mounts);
// Others' processes are invisible to users without a special group (proc(5), hidepid=): an owner that is not
// found may be among them.
bool hides_processes(const std::vector<Mount>& mounts);

// The directories themselves, opened for reading. ErrorKind::unavailable, and the message says what to do.
Result<UniqueFd> open_cgroup2();
Result<UniqueFd> open_tracefs();

}  // namespace socktrace::sys

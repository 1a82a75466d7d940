#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace socktrace {

// A process as it was when it was seen. (pid, start_ns) is the identity that survives pid reuse.
// Shared and immutable: events, table rows and the log refer to the same object.
struct Process {
  uint32_t pid = 0;
  uint64_t start_ns = 0;   // CLOCK_BOOTTIME; 0 unknown. /proc gives clock ticks: compare with same_process()
  uint32_t uid = 0;        // effective uid; UINT32_MAX unknown
  std::string name;        // comm of the group leader, raw bytes, at most 15
  std::string executable;  // target of /proc/PID/exe; empty when unknown
  std::string user;        // name of uid; empty when unknown
  std::string cgroup;      // path in the cgroup2 (or systemd v1) hierarchy: "/system.slice/nginx.service"
  std::string unit;        // systemd unit: "nginx.service"; empty when none
  std::string container;   // container id, as its runtime abbreviates it; empty when none

  bool operator==(const Process&) const = default;
};

using ProcessRef = std::shared_ptr<const Process>;

// A process above another.
struct Ancestor {
  uint32_t pid = 0;
  std::string name;  // comm, raw bytes

  bool operator==(const Ancestor&) const = default;
};

// Equal pid, and start times equal to within the resolution of /proc/PID/stat (one clock tick, 10 ms).
bool same_process(const Process& a, const Process& b);
bool same_process(const Process& a, uint32_t pid, uint64_t start_ns);

// Where the knowledge that a process owns a socket comes from.
enum class OwnerSource : uint8_t {
  none,
  call,        // the process was in a system call on the socket (bind, listen, connect, accept, close)
  descriptor,  // found in its descriptor table
  inherited,   // an accepted child that nobody has accepted yet shows its listener's owners
};

struct Owner {
  ProcessRef process;
  int32_t fd = -1;  // -1 unknown
  OwnerSource source = OwnerSource::none;
  bool exited = false;  // the process or its descriptor is gone: the last known owner
  uint32_t tid = 0;     // set when threads were asked for
};

// Why a socket has no owner; it is never simply blank.
enum class NoOwner : uint8_t { unknown, permission, kernel, netns, exited, unaccepted };

}  // namespace socktrace

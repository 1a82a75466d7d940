#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "sys/mounts.h"
#include "sys/procfs.h"

namespace socktrace::sys {

// A network namespace and ways into it. Nothing here holds it open: a descriptor of a namespace, or a socket
// within, keeps it and its devices alive after everybody else has left.
struct NetNamespace {
  uint32_t inode = 0;
  bool own = false;                // ours
  bool initial = false;            // the host's first, or the one of process 1
  std::string name;                // as `ip netns` calls it; empty: it has no such name
  std::vector<std::string> paths;  // files to enter it by, some of which may be gone by then
  uint32_t pid = 0;                // a process inside, the oldest by number; 0 none known
  // A socket inside that a process outside may hold, as another way in (5.6); 0 none known.
  uint32_t socket_pid = 0;
  int32_t socket_fd = -1;
};

// The namespace of the calling thread.
Result<uint32_t> current_netns();

// Whether our capabilities count there: it may belong to a user namespace above ours (ioctl_ns(2), 4.9).
bool has_power_in_current_netns();

// Whether that is the host's first one, as far as can be told.
bool in_initial_netns();

// All that a process is in or a bind mount keeps (/run/netns, container runtimes), once each, ours first and
// then by inode number. Not found: namespaces that only a descriptor, or a thread other than its process's
// first, keeps. Processes that may not be read are passed over.
std::vector<NetNamespace> collect_netns(const Procfs& procfs, const std::string& proc_root,
                                        const std::vector<Mount>& mounts, uint32_t own);
Result<std::vector<NetNamespace>> list_netns();
// Those that bind mounts keep, by ascending inode number: quicker than all.
std::vector<NetNamespace> mounted_netns(const std::vector<Mount>& mounts);

// Whether one of the ways in is still there: a few stat(2). False also when there may be others.
bool can_be_reached(const NetNamespace& netns);

// Calls `work` in the namespace, on a thread of its own that ends before this returns: no path leaves any
// other code in the wrong namespace. Ours is not entered: `work` is then called directly. `work` must not
// keep descriptors it opens. Errors: is_gone() when the namespace has ceased to exist; ErrorKind::privilege
// without CAP_SYS_ADMIN.
Result<void> run_in_netns(const NetNamespace& netns, const std::function<void()>& work);

// As run_in_netns for a `work` that returns a Result.
template <typename Work>
auto in_netns(const NetNamespace& netns, Work&& work) -> decltype(work()) {
  std::optional<decltype(work())> result;
  auto entered = run_in_netns(netns, [&] { result.emplace(work()); });
  if (!entered) return std::move(entered.error());
  return *std::move(result);
}

}  // namespace socktrace::sys

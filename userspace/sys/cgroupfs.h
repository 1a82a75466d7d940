#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sys/unique_fd.h"

namespace socktrace::sys {

// Names cgroups by the id that the kernel reports (bpf_get_current_cgroup_id, INET_DIAG_CGROUP_ID): the inode
// number of the directory in cgroup2, never given out twice per boot. What was found once is remembered, so
// that a cgroup can still be named after its removal.
class CgroupTree {
 public:
  // `root`: the whole cgroup2 hierarchy (open_cgroup2), or nothing where there is none: then only remembered
  // names are known.
  explicit CgroupTree(UniqueFd root = {}, uint64_t walk_interval_ns = 1'000'000'000);

  // The path below the root, "/" for the root itself; empty when unknown. With CAP_DAC_READ_SEARCH the
  // directory is opened by its id; without, an unknown id makes us walk the whole hierarchy, at most once per
  // `walk_interval_ns`.
  std::string path(uint64_t id);

  // Learns from /proc/PID/cgroup; believed only if the directory has that id (the process may have moved).
  void remember(uint64_t id, std::string_view path);

 private:
  bool open_by_id(uint64_t id, std::string& path);
  void walk(int dir, const std::string& path);

  UniqueFd root_;
  std::string mount_point_;
  bool has_handles_ = false;
  uint64_t walk_interval_ns_;
  uint64_t walked_ns_ = 0;  // 0 never
  std::unordered_map<uint64_t, std::string> paths_;
};

}  // namespace socktrace::sys

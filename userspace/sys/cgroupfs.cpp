#include "sys/cgroupfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

#include "sys/clock.h"
#include "sys/file.h"

namespace socktrace::sys {
namespace {

constexpr size_t kMaxPaths = 65'536;  // far above any host's number of cgroups: a bound for churn

std::string descriptor_path(int fd) {
  auto target = read_link_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd).c_str());
  return target ? *std::move(target) : "";
}

}  // namespace

CgroupTree::CgroupTree(UniqueFd root, uint64_t walk_interval_ns)
    : root_(std::move(root)), walk_interval_ns_(walk_interval_ns) {
  struct statfs filesystem {};
  if (!root_ || fstatfs(root_.get(), &filesystem) != 0) return;
  has_handles_ = filesystem.f_type == CGROUP2_SUPER_MAGIC;
  mount_point_ = descriptor_path(root_.get());
}

std::string CgroupTree::path(uint64_t id) {
  if (id == 0) return "";
  if (const auto known = paths_.find(id); known != paths_.end()) return known->second;
  if (!root_) return "";
  if (paths_.size() >= kMaxPaths) paths_.clear();
  if (has_handles_) {
    std::string path;
    if (open_by_id(id, path)) {
      if (!path.empty()) paths_.emplace(id, path);
      return path;
    }
  }
  const uint64_t now_ns = boottime_ns();
  if (walked_ns_ != 0 && now_ns - walked_ns_ < walk_interval_ns_) return "";
  walked_ns_ = now_ns;
  walk(root_.get(), "");
  const auto found = paths_.find(id);
  return found == paths_.end() ? "" : found->second;
}

void CgroupTree::remember(uint64_t id, std::string_view path) {
  if (id == 0 || path.empty() || path[0] != '/' || paths_.contains(id)) return;
  struct stat status {};
  const std::string relative = path.size() == 1 ? "." : std::string(path.substr(1));
  if (root_ && (fstatat(root_.get(), relative.c_str(), &status, 0) != 0 || status.st_ino != id)) return;
  if (paths_.size() >= kMaxPaths) paths_.clear();
  paths_.emplace(id, path);
}

// True when this settled the question; an empty path then means that there is no such cgroup any more. kernfs
// takes its own 64-bit ids as file handles since 5.5 (FILEID_KERNFS).
bool CgroupTree::open_by_id(uint64_t id, std::string& path) {
  constexpr int kKernfsHandle = 0xfe;
  union {
    file_handle handle;
    char space[sizeof(file_handle) + sizeof id];
  } request{};
  request.handle.handle_bytes = sizeof id;
  request.handle.handle_type = kKernfsHandle;
  std::memcpy(request.handle.f_handle, &id, sizeof id);
  const UniqueFd dir(open_by_handle_at(root_.get(), &request.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir) {
    if (errno != ESTALE && errno != ENOENT)
      has_handles_ = false;  // no privilege (any more), or an old kernel
    return has_handles_;
  }
  const std::string full = descriptor_path(dir.get());
  if (!full.starts_with(mount_point_)) return true;
  path = full.substr(mount_point_.size());
  if (path.empty()) path.assign(1, '/');
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return true;
}

void CgroupTree::walk(int dir, const std::string& path) {
  struct stat status {};
  if (paths_.size() >= kMaxPaths || fstat(dir, &status) != 0) return;
  paths_.emplace(status.st_ino, path.empty() ? std::string(1, '/') : path);
  // A directory that vanishes meanwhile is passed over.
  (void)for_each_name(dir, [&](const char* name, unsigned char type) {
    if (type != DT_DIR) return true;
    const auto child = open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (child) walk(child->get(), path + "/" + name);
    return true;
  });
}

}  // namespace socktrace::sys

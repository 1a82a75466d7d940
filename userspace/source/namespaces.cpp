#include "source/namespaces.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "sys/file.h"

namespace socktrace::source {
namespace {

Result<void> visit_inside(const sys::NetNamespace& netns, const NamespaceVisitor& visit) {
  return netns.own ? visit(netns) : sys::in_netns(netns, [&] { return visit(netns); });
}

bool is_pid(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

Result<size_t> in_every_netns(const NamespaceVisitor& visit) {
  Result<std::vector<sys::NetNamespace>> list = sys::list_netns();
  if (!list) return std::move(list.error());
  size_t closed = 0;
  for (const sys::NetNamespace& netns : *list) {
    std::optional<Error> failure;
    const Result<void> entered = visit_inside(netns, [&](const sys::NetNamespace& inside) -> Result<void> {
      Result<void> visited = visit(inside);
      if (!visited) failure = std::move(visited.error());
      return {};
    });
    if (failure) return std::move(*failure);
    if (!entered && !sys::is_gone(entered.error())) ++closed;
  }
  return closed;
}

Result<sys::NetNamespace> named_netns(const std::string& name) {
  sys::NetNamespace netns;
  struct stat status {};
  for (const std::string& path :
       {name.find('/') == std::string::npos ? "/run/netns/" + name : name,
        is_pid(name) || name == "self" ? "/proc/" + name + "/ns/net" : std::string()}) {
    struct statfs filesystem {};
    if (netns.inode != 0 || statfs(path.c_str(), &filesystem) != 0 || filesystem.f_type != NSFS_MAGIC)
      continue;
    if (stat(path.c_str(), &status) != 0) continue;
    netns.inode = static_cast<uint32_t>(status.st_ino);
    netns.paths = {path};
    netns.name = name;
  }
  if (netns.inode == 0)
    return Error{"`" + name +
                     "` is no network namespace: neither a name (socktrace ss --all-netns shows them), a pid "
                     "nor a path",
                 ErrorKind::usage};
  return netns;
}

}  // namespace socktrace::source

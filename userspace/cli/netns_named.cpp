#include "cli/netns_named.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "enrich/netns_name.h"
#include "source/namespaces.h"

namespace socktrace::cli {
namespace {

std::vector<sys::NetNamespace> shown_as(const std::string& name) {
  std::vector<sys::NetNamespace> found;
  Result<std::vector<sys::NetNamespace>> list = sys::list_netns();
  const Result<sys::Procfs> procfs = sys::Procfs::open();
  if (!list || !procfs) return found;
  for (sys::NetNamespace& netns : *list)
    if (std::to_string(netns.inode) == name || enrich::netns_name(netns, *procfs) == name)
      found.push_back(std::move(netns));
  return found;
}

}  // namespace

std::vector<uint32_t> netns_called(const std::string& name) {
  struct stat status {};
  if (::stat(("/run/netns/" + name).c_str(), &status) == 0) return {static_cast<uint32_t>(status.st_ino)};
  std::vector<uint32_t> inodes;
  for (const sys::NetNamespace& netns : shown_as(name)) inodes.push_back(netns.inode);
  return inodes;
}

Result<sys::NetNamespace> netns_of_option(const std::string& name) {
  Result<sys::NetNamespace> named = source::named_netns(name);
  if (named) return named;
  std::vector<sys::NetNamespace> shown = shown_as(name);
  if (shown.empty()) return named;
  if (shown.size() == 1) return std::move(shown.front());
  std::vector<uint32_t> inodes;
  for (const sys::NetNamespace& netns : shown) inodes.push_back(netns.inode);
  return Error{fmt::format("`{}` is the name of {} network namespaces: give the number of one: {}", name,
                           shown.size(), fmt::join(inodes, ", ")),
               ErrorKind::usage};
}

}  // namespace socktrace::cli

#include "cli/filter_names.h"

#include <arpa/inet.h>
#include <linux/magic.h>
#include <net/if.h>
#include <netdb.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstring>
#include <string>

#include "cli/netns_named.h"
#include "cli/services.h"
#include "sys/mounts.h"

namespace socktrace::cli {
namespace {

std::vector<filter::HostCondition> host(std::string_view name, Family family) {
  addrinfo hints{};
  hints.ai_family = static_cast<int>(family);
  hints.ai_socktype = SOCK_STREAM;  // each address once
  addrinfo* found = nullptr;
  std::vector<filter::HostCondition> hosts;
  if (::getaddrinfo(std::string(name).c_str(), nullptr, &hints, &found) != 0) return hosts;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    filter::HostCondition condition;
    if (entry->ai_family == AF_INET) {
      sockaddr_in address{};
      std::memcpy(&address, entry->ai_addr, sizeof address);
      std::memcpy(condition.address.data(), &address.sin_addr, sizeof address.sin_addr);
      condition.family = Family::inet;
      condition.prefix_length = 32;
    } else if (entry->ai_family == AF_INET6) {
      sockaddr_in6 address{};
      std::memcpy(&address, entry->ai_addr, sizeof address);
      std::memcpy(condition.address.data(), &address.sin6_addr, sizeof address.sin6_addr);
      condition.family = Family::inet6;
      condition.prefix_length = 128;
    } else {
      continue;
    }
    hosts.push_back(condition);
  }
  ::freeaddrinfo(found);
  return hosts;
}

std::optional<uint32_t> device(std::string_view name) {
  const unsigned index = ::if_nametoindex(std::string(name).c_str());
  if (index == 0) return std::nullopt;
  return index;
}

// The id of a cgroup is the inode number of its directory.
std::optional<uint64_t> cgroup_id(const std::string& path) {
  struct stat status {};
  struct statfs filesystem {};
  if (::statfs(path.c_str(), &filesystem) != 0 || filesystem.f_type != CGROUP2_SUPER_MAGIC)
    return std::nullopt;
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status.st_ino;
}

// A path below the cgroup2 mount, or the whole one.
std::optional<uint64_t> cgroup(std::string_view path) {
  if (path.starts_with('/'))
    if (const std::optional<uint64_t> id = cgroup_id(std::string(path))) return id;
  const Result<std::vector<sys::Mount>> mounts = sys::read_mounts();
  if (!mounts) return std::nullopt;
  Result<std::string> root = sys::locate_cgroup2(*mounts);
  if (!root) root = sys::find_cgroup2(*mounts);
  if (!root) return std::nullopt;
  return cgroup_id(*root + "/" + std::string(path));
}

std::optional<uint32_t> user(std::string_view name) {
  const passwd* entry = ::getpwnam(std::string(name).c_str());
  if (entry == nullptr) return std::nullopt;
  return entry->pw_uid;
}

std::vector<uint32_t> netns(std::string_view name) {
  return netns_called(std::string(name));
}

}  // namespace

FilterOptions system_filter_options(Family family) {
  return {{.service = service_port,
           .host = host,
           .device = device,
           .cgroup = cgroup,
           .user = user,
           .netns = netns},
          family};
}

}  // namespace socktrace::cli

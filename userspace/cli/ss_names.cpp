#include "cli/ss_names.h"

#include <fcntl.h>
#include <mntent.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <unordered_map>

#include "sys/unique_fd.h"

namespace socktrace::cli {
namespace {

using diag::Table;

// Port numbers that the kernel hands out name no service.
struct LocalPorts {
  uint32_t low = 32768;
  uint32_t high = 60999;
};

LocalPorts local_ports() {
  LocalPorts range;
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  file >> range.low >> range.high;
  return range;
}

std::string find_cgroup_mount() {
  FILE* mounts = setmntent("/proc/mounts", "r");
  if (!mounts) return "";
  std::string path;
  while (const mntent* entry = getmntent(mounts)) {
    if (std::strcmp(entry->mnt_type, "cgroup2") != 0) continue;
    path = entry->mnt_dir;
    break;
  }
  endmntent(mounts);
  return path;
}

// A cgroup id is the file handle of its directory (kernfs): opened by it, the descriptor's link has the path.
std::string cgroup_path(const std::string& mount, uint64_t id) {
  constexpr int kKernfsHandle = 0xfe;  // FILEID_KERNFS
  if (mount.empty()) return "";
  const sys::UniqueFd directory(open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return "";
  alignas(file_handle) char bytes[sizeof(file_handle) + sizeof id];
  auto* handle = new (bytes) file_handle{};
  handle->handle_bytes = sizeof id;
  handle->handle_type = kKernfsHandle;
  std::memcpy(bytes + sizeof(file_handle), &id, sizeof id);
  const sys::UniqueFd group(open_by_handle_at(directory.get(), handle, O_RDONLY | O_CLOEXEC));
  if (!group) return "";
  char target[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(group.get());
  const ssize_t length = readlink(link.c_str(), target, sizeof target);
  if (length < 0) return "";
  std::string path(target, static_cast<size_t>(length));
  if (!path.starts_with(mount)) return "";
  path.erase(0, mount.size());
  return path.empty() ? "/" : path;
}

std::string host_name(Family family, const AddressBytes& address) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_in);
  if (family == Family::inet || is_v4_mapped(family, address)) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    std::memcpy(&v4->sin_addr, address.data() + (family == Family::inet ? 0 : 12), sizeof v4->sin_addr);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    std::memcpy(&v6->sin6_addr, address.data(), sizeof v6->sin6_addr);
    length = sizeof(sockaddr_in6);
  }
  char name[NI_MAXHOST];
  const int error =
      getnameinfo(reinterpret_cast<sockaddr*>(&storage), length, name, sizeof name, nullptr, 0, NI_NAMEREQD);
  return error == 0 ? name : "";
}

struct Cache {
  LocalPorts ports = local_ports();
  std::string cgroup_mount = find_cgroup_mount();
  std::unordered_map<uint32_t, std::string> services;  // port << 1 | is UDP
  std::unordered_map<uint8_t, std::string> protocols;
  std::unordered_map<uint32_t, std::string> interfaces;
  std::unordered_map<uint64_t, std::string> cgroups;
  std::map<std::pair<Family, AddressBytes>, std::string> hosts;
};

template <typename Map, typename Key, typename Lookup>
const std::string& remember(Map& map, const Key& key, const Lookup& lookup) {
  const auto found = map.find(key);
  return found != map.end() ? found->second : map.emplace(key, lookup()).first->second;
}

}  // namespace

ss::Names system_names() {
  auto cache = std::make_shared<Cache>();
  ss::Names names;
  names.service = [cache](uint16_t port, Table table) -> std::string_view {
    if (port >= cache->ports.low && port <= cache->ports.high) return {};
    const bool udp = table == Table::udp || table == Table::udplite;
    return remember(cache->services, uint32_t{port} << 1 | (udp ? 1 : 0), [&]() -> std::string {
      const servent* service = getservbyport(htons(port), udp ? "udp" : "tcp");
      return service ? service->s_name : "";
    });
  };
  names.ip_protocol = [cache](uint8_t number) -> std::string_view {
    return remember(cache->protocols, number, [&]() -> std::string {
      const protoent* protocol = getprotobynumber(number);
      return protocol ? protocol->p_name : "";
    });
  };
  names.interface = [cache](uint32_t index) -> std::string_view {
    return remember(cache->interfaces, index, [&]() -> std::string {
      char name[IF_NAMESIZE];
      return if_indextoname(index, name) ? name : "if" + std::to_string(index);
    });
  };
  names.host = [cache](Family family, const AddressBytes& address) -> std::string_view {
    return remember(cache->hosts, std::pair(family, address), [&] { return host_name(family, address); });
  };
  names.process = [](uint32_t pid) -> std::string {
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string name(std::istreambuf_iterator<char>(file), {});
    if (name.ends_with('\n')) name.pop_back();
    return name;
  };
  names.cgroup = [cache](uint64_t id) -> std::string {
    return remember(cache->cgroups, id, [&] { return cgroup_path(cache->cgroup_mount, id); });
  };
  return names;
}

}  // namespace socktrace::cli

#include "cli/ss_names.h"

#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/xattr.h>

#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "probe/map_value.h"
#include "sys/cgroupfs.h"
#include "sys/mounts.h"
#include "sys/netns.h"

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
  std::unordered_map<uint32_t, std::string> services;  // port << 1 | is UDP
  std::unordered_map<uint8_t, std::string> protocols;
  std::unordered_map<uint64_t, std::string> interfaces;  // network namespace << 32 | index
  std::optional<sys::CgroupTree> cgroups;                // opened when the first is asked for
  std::map<std::pair<Family, AddressBytes>, std::string> hosts;
};

template <typename Map, typename Key, typename Lookup>
const std::string& remember(Map& map, const Key& key, const Lookup& lookup) {
  const auto found = map.find(key);
  return found != map.end() ? found->second : map.emplace(key, lookup()).first->second;
}

}  // namespace

ss::Names system_names(std::optional<sys::NetNamespace> place) {
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
  // An index means something in its own namespace only, and only there can it be looked up.
  names.interface = [cache, place](uint32_t netns, uint32_t index) -> std::string_view {
    return remember(cache->interfaces, uint64_t{netns} << 32 | index, [&]() -> std::string {
      char name[IF_NAMESIZE] = "";
      const Result<uint32_t> here = sys::current_netns();
      if (netns == 0 || (here && *here == netns))
        (void)if_indextoname(index, name);
      else if (place && place->inode == netns)
        (void)sys::run_in_netns(*place, [&] { (void)if_indextoname(index, name); });
      return *name != '\0' ? name : "if" + std::to_string(index);
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
    if (!cache->cgroups) {
      Result<sys::UniqueFd> root = sys::open_cgroup2();
      cache->cgroups.emplace(root ? std::move(*root) : sys::UniqueFd());
    }
    return cache->cgroups->path(id);
  };
  names.process_context = [](uint32_t pid) -> std::string {
    std::ifstream file("/proc/" + std::to_string(pid) + "/attr/current");
    std::string context(std::istreambuf_iterator<char>(file), {});
    while (!context.empty() && (context.back() == '\0' || context.back() == '\n')) context.pop_back();
    return context;
  };
  names.socket_context = [](uint32_t pid, int fd) -> std::string {
    char context[512];
    const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
    const ssize_t length = getxattr(path.c_str(), "security.selinux", context, sizeof context);
    return length > 0 ? std::string(context, strnlen(context, static_cast<size_t>(length))) : std::string();
  };
  names.map_value = probe::map_value_text;
  return names;
}

}  // namespace socktrace::cli

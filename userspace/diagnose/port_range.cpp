#include "diagnose/port_range.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "diagnose/reason.h"

namespace socktrace::diagnose {

size_t free_ports(const PortSet& taken, const HostFacts& facts, bool is_tcp) {
  const PortRange range = facts.local_ports;
  size_t free = 0;
  for (unsigned port = range.first; port <= range.last; ++port)
    if (!taken[port] && !is_reserved(facts, static_cast<uint16_t>(port))) ++free;
  const unsigned count = range.last - range.first + 1u;
  const bool leaves_one_out = is_tcp && count > 1 && count % 2 == 1;
  return leaves_one_out && free == 1 ? 0 : free;
}

Share largest_share(const std::vector<const Socket*>& sockets) {
  std::map<uint32_t, Share> by_pid;
  for (const Socket* socket : sockets) {
    if (socket->owners.empty() || !socket->owners[0].process) continue;
    Share& share = by_pid[socket->owners[0].process->pid];
    share.example = socket;
    ++share.count;
  }
  const auto most =
      std::ranges::max_element(by_pid, {}, [](const auto& entry) { return entry.second.count; });
  return most == by_pid.end() ? Share() : most->second;
}

Conflict range_not_exhausted(std::string_view for_what, size_t free, const HostFacts& facts) {
  Conflict conflict;
  conflict.reason = id(Reason::range_exhausted);
  conflict.why = fmt::format(
      "the kernel found no port {}, although {} of net.ipv4.ip_local_port_range ({}-{}) {} free now: the "
      "socket has a "
      "smaller range of its own (IP_LOCAL_PORT_RANGE), or ports have become free since",
      for_what, free, facts.local_ports.first, facts.local_ports.last, free == 1 ? "is" : "are");
  conflict.next = next_for(Reason::range_exhausted, {});
  return conflict;
}

}  // namespace socktrace::diagnose

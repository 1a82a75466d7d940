#pragma once

#include <bitset>
#include <cstddef>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/socket.h"
#include "diagnose/host_facts.h"

namespace socktrace::diagnose {

using PortSet = std::bitset<65536>;

// How many ports of net.ipv4.ip_local_port_range are neither reserved nor in `taken`. TCP looks at an even number of
// ports: of an odd range it may leave out one.
size_t free_ports(const PortSet& taken, const HostFacts& facts, bool is_tcp);

struct Share {
  const Socket* example = nullptr;
  size_t count = 0;
};

// Whoever has the most of `sockets`; nobody when no owner is known.
Share largest_share(const std::vector<const Socket*>& sockets);

// The explanation where the kernel found no port `for_what` although `free` of the range are: a socket may have a range of
// its own, which nobody but itself can ask for.
Conflict range_not_exhausted(std::string_view for_what, size_t free, const HostFacts& facts);

}  // namespace socktrace::diagnose

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/socket.h"
#include "diagnose/conflict.h"
#include "diagnose/host_facts.h"
#include "diagnose/where.h"

namespace socktrace::diagnose {

// Who asks: the user that a bind would be tried for.
struct Asker {
  uint32_t uid = 0;
  bool capable_net_bind = false;
};

// What a bind, and for TCP a listen after it, would give at one address.
struct Trial {
  BindRequest request;
  Verdict verdict;
  // The fewest socket options with which it would succeed: "SO_REUSEADDR", "SO_REUSEPORT", "IPV6_V6ONLY". Empty
  // when it succeeds without, and when none helps.
  std::vector<std::string> works_with;
};

struct PortAnswer {
  uint16_t protocol = 0;                  // IPPROTO_TCP or IPPROTO_UDP
  std::vector<Trial> trials;              // at the address asked for, or at 0.0.0.0 and [::]
  std::vector<const Socket*> bystanders;  // sockets on the port that make none of the trials fail
  // What stands in no way, as it is in another network namespace: for who asks to add, with meets().
  std::vector<const Socket*> elsewhere;
};

// `sockets`: those of one network namespace, at least all on the port. One answer for each protocol asked for.
std::vector<PortAnswer> answer(const Where& where, const Asker& asker, SocketSpan sockets,
                               const HostFacts& facts);

// Whether the socket, wherever it is, has the port, the protocol and an address that was asked about.
bool meets(const PortAnswer& answer, const Socket& socket);

}  // namespace socktrace::diagnose

#include "diagnose/autobind.h"

#include <fmt/format.h>

#include "diagnose/port_range.h"
#include "diagnose/port_space.h"
#include "diagnose/reason.h"

namespace socktrace::diagnose {
namespace {

bool blocks(const BindRequest& request, const Claim& wanted, const Claim& held, const HostFacts& facts) {
  const bool datagram = is_datagram_protocol(request.protocol);
  const bool meet =
      datagram ? devices_overlap(wanted, held) && addresses_overlap(wanted, held) : tcp_overlap(wanted, held);
  if (!meet) return false;
  const bool both_reuse = wanted.reuse_address && held.reuse_address;
  const bool siblings =
      wanted.reuse_port && held.reuse_port && (wanted.uid == held.uid || (held.time_wait && both_reuse));
  if (datagram) return !both_reuse && !siblings;
  return !(facts.autobind_reuse && both_reuse && !held.listening && !siblings);
}

std::vector<const Socket*> holders_in_range(const BindRequest& request, SocketSpan sockets,
                                            const HostFacts& facts) {
  const Claim wanted = claim_of(request);
  std::vector<const Socket*> holders;
  for (const Socket* socket : sockets)
    if (is_ephemeral(facts, socket->local.port) && shares_ports(request, *socket) &&
        !is_requester(request, *socket) && blocks(request, wanted, claim_of(*socket, Unknown::blocks), facts))
      holders.push_back(socket);
  return holders;
}

size_t free_for(const BindRequest& request, const std::vector<const Socket*>& holders,
                const HostFacts& facts) {
  PortSet taken;
  for (const Socket* socket : holders) taken.set(socket->local.port);
  return free_ports(taken, facts, !is_datagram_protocol(request.protocol));
}

}  // namespace

bool is_range_exhausted(const BindRequest& request, SocketSpan sockets, const HostFacts& facts) {
  return free_for(request, holders_in_range(request, sockets, facts), facts) == 0;
}

Conflict range_exhausted(const BindRequest& request, SocketSpan sockets, const HostFacts& facts) {
  const std::vector<const Socket*> holders = holders_in_range(request, sockets, facts);
  if (const size_t free = free_for(request, holders, facts); free > 0)
    return range_not_exhausted("for this address", free, facts);
  Conflict conflict;
  conflict.reason = id(Reason::range_exhausted);
  conflict.why = fmt::format("no port of net.ipv4.ip_local_port_range ({}-{}) is free for this address",
                             facts.local_ports.first, facts.local_ports.last);
  if (const Share most = largest_share(holders); most.example != nullptr) {
    conflict.holder = *most.example;
    conflict.why += fmt::format("; the holder has {} of them", most.count);
  }
  conflict.next = next_for(Reason::range_exhausted, request);
  return conflict;
}

}  // namespace socktrace::diagnose

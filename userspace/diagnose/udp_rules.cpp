#include "diagnose/udp_rules.h"

#include <deque>

namespace socktrace::diagnose {

namespace {

// The order in which the kernel meets them. sk_add_node_rcu() puts each in front, but IPv6 sockets of a
// SO_REUSEPORT group at the end, so that IPv4 ones are found first.
std::deque<const Socket*> hash_slot(SocketSpan port, Unknown unknown) {
  std::deque<const Socket*> slot;
  for (const Socket* socket : port) {
    if (socket->family == Family::inet6 && claim_of(*socket, unknown).reuse_port)
      slot.push_back(socket);
    else
      slot.push_front(socket);
  }
  return slot;
}

}  // namespace

std::vector<const Socket*> udp_blockers(const BindRequest& request, SocketSpan port, Unknown unknown) {
  const Claim claim = claim_of(request);
  std::vector<const Socket*> blockers;
  // The kernel stops at the first socket that overlaps: a SO_REUSEPORT sibling lets the new socket in,
  // whatever those behind it would say.
  for (const Socket* socket : hash_slot(port, unknown)) {
    const Claim holder = claim_of(*socket, unknown);
    if (is_requester(request, *socket) || (claim.reuse_address && holder.reuse_address)) continue;
    if (!devices_overlap(claim, holder) || !addresses_overlap(claim, holder)) continue;
    const bool siblings = claim.reuse_port && holder.reuse_port && claim.uid == holder.uid;
    if (siblings && blockers.empty()) return {};
    if (!siblings) blockers.push_back(socket);
  }
  return blockers;
}

}  // namespace socktrace::diagnose

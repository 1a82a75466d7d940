#include "diagnose/udp_rules.h"

#include <ranges>

namespace socktrace::diagnose {

std::vector<const Socket*> udp_blockers(const BindRequest& request, SocketSpan port, Unknown unknown) {
  const Claim claim = claim_of(request);
  std::vector<const Socket*> blockers;
  // The kernel walks the hash slot from the newest socket and stops at the first that overlaps: a
  // SO_REUSEPORT sibling lets the new socket in, whatever older sockets would say.
  for (const Socket* socket : port | std::views::reverse) {
    const Claim holder = claim_of(*socket, unknown);
    if (is_requester(request, *socket) || (claim.reuse_address && holder.reuse_address)) continue;
    if (!devices_overlap(claim, holder) || !addresses_overlap(claim, holder)) continue;
    const bool siblings = claim.reuse_port && holder.reuse_port && claim.uid == holder.uid;
    if (siblings && blockers.empty()) return {};
    if (!siblings) blockers.push_back(socket);
  }
  return {blockers.rbegin(), blockers.rend()};
}

}  // namespace socktrace::diagnose

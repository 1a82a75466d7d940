#include "diagnose/autobind.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "diagnose/next_step.h"
#include "diagnose/port_space.h"
#include "diagnose/reason.h"

namespace socktrace::diagnose {
namespace {

constexpr size_t kPorts = 65536;

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

// TCP looks at an even number of ports: of an odd range it never takes the last.
PortRange searched_range(const BindRequest& request, const HostFacts& facts) {
  PortRange range = facts.local_ports;
  const unsigned count = range.last - range.first + 1u;
  if (!is_datagram_protocol(request.protocol) && count > 1 && count % 2 == 1) --range.last;
  return range;
}

}  // namespace

bool is_range_exhausted(const BindRequest& request, SocketSpan sockets, const HostFacts& facts) {
  std::vector<bool> taken(kPorts);
  for (const Socket* socket : holders_in_range(request, sockets, facts)) taken[socket->local.port] = true;
  const PortRange range = searched_range(request, facts);
  for (unsigned port = range.first; port <= range.last; ++port)
    if (!taken[port] && !is_reserved(facts, static_cast<uint16_t>(port))) return false;
  return true;
}

namespace {

struct Share {
  const Socket* example = nullptr;
  size_t count = 0;
};

// Whoever has the most of `sockets`; nobody when no owner is known.
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

}  // namespace

Conflict range_exhausted(const BindRequest& request, SocketSpan sockets, const HostFacts& facts) {
  Conflict conflict;
  conflict.reason = id(Reason::range_exhausted);
  conflict.why = fmt::format("no port of net.ipv4.ip_local_port_range ({}-{}) is free for this address",
                             facts.local_ports.first, facts.local_ports.last);
  if (const Share most = largest_share(holders_in_range(request, sockets, facts)); most.example != nullptr) {
    conflict.holder = *most.example;
    conflict.why += fmt::format("; the holder has {} of them", most.count);
  }
  conflict.next = next_for(Reason::range_exhausted, request);
  return conflict;
}

Conflict connections_exhausted(const Socket& connecting, SocketSpan sockets, const HostFacts& facts) {
  std::vector<const Socket*> same_peer;
  size_t waiting = 0;
  for (const Socket* socket : sockets) {
    if (socket->key == connecting.key || socket->peer != connecting.peer ||
        socket->protocol != connecting.protocol || !is_ephemeral(facts, socket->local.port))
      continue;
    same_peer.push_back(socket);
    waiting += socket->state == State::time_wait ? 1 : 0;
  }
  Conflict conflict;
  conflict.reason = id(Reason::range_exhausted);
  conflict.why =
      fmt::format("no port of net.ipv4.ip_local_port_range ({}-{}) is left for a connection to {}: {} exist",
                  facts.local_ports.first, facts.local_ports.last,
                  to_string(connecting.family, connecting.peer), same_peer.size());
  if (waiting > 0) conflict.why += fmt::format(", {} of them in TIME-WAIT", waiting);
  if (const Share most = largest_share(same_peer); most.example != nullptr) {
    conflict.holder = *most.example;
    conflict.why += fmt::format("; the holder has {}", most.count);
  }
  conflict.next = "sysctl net.ipv4.ip_local_port_range net.ipv4.tcp_tw_reuse";
  return conflict;
}

}  // namespace socktrace::diagnose

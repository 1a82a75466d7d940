#include "diagnose/connect_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/tracker/tuple.h"
#include "diagnose/next_step.h"
#include "diagnose/port_range.h"
#include "diagnose/reason.h"

namespace socktrace::diagnose {
namespace {

bool has_same_peer(const Socket& connecting, const Socket& socket) {
  return socket.key != connecting.key && socket.peer == connecting.peer &&
         socket.protocol == connecting.protocol;
}

// inet_bind_bucket's fastreuse and fastreuseport are -1 only while all that have the port got it from connect().
bool bind_chose_its_port(const Socket& socket) {
  return is_tcp(socket) && holds_tcp_port(socket) &&
         (socket.inbound || socket.options.port_locked || socket.peer.port == 0);
}

struct Holders {
  std::vector<const Socket*> sockets;
  PortSet connections, bound;
  size_t waiting = 0;
};

Holders find_holders(const Socket& connecting, SocketSpan sockets, const HostFacts& facts) {
  Holders found;
  for (const Socket* socket : sockets) {
    const uint16_t port = socket->local.port;
    if (socket->netns != connecting.netns || !is_ephemeral(facts, port)) continue;
    if (has_same_peer(connecting, *socket)) {
      if (!found.connections[port] && socket->state == State::time_wait) ++found.waiting;
      found.connections.set(port);
    } else if (bind_chose_its_port(*socket)) {
      found.bound.set(port);
    } else {
      continue;
    }
    found.sockets.push_back(socket);
  }
  found.bound &= ~found.connections;
  return found;
}

std::string counted(size_t count, std::string_view one, std::string_view several) {
  return fmt::format("{} {}", count, count == 1 ? one : several);
}

std::string shares(const Holders& holders, const HostFacts& facts) {
  size_t reserved = 0;
  for (unsigned port = facts.local_ports.first; port <= facts.local_ports.last; ++port)
    reserved += is_reserved(facts, static_cast<uint16_t>(port)) ? 1 : 0;
  std::string text = counted(holders.connections.count(), "exists", "exist");
  if (holders.waiting > 0) text += fmt::format(", {} of them in TIME-WAIT", holders.waiting);
  if (holders.bound.any())
    text +=
        "; " + counted(holders.bound.count(), "port is", "ports are") + " held by listeners or bound sockets";
  if (reserved > 0) text += "; " + counted(reserved, "is", "are") + " reserved";
  return text;
}

Conflict without_a_port(const Socket& connecting, SocketSpan sockets, const HostFacts& facts) {
  const Holders holders = find_holders(connecting, sockets, facts);
  const std::string peer = to_string(connecting.family, connecting.peer);
  if (const size_t free = free_ports(holders.connections | holders.bound, facts, true); free > 0)
    return range_not_exhausted("for a connection to " + peer, free, facts);
  Conflict conflict;
  conflict.reason = id(Reason::range_exhausted);
  conflict.why =
      fmt::format("no port of net.ipv4.ip_local_port_range ({}-{}) is left for a connection to {}: {}",
                  facts.local_ports.first, facts.local_ports.last, peer, shares(holders, facts));
  if (const Share most = largest_share(holders.sockets); most.example != nullptr) {
    conflict.holder = *most.example;
    conflict.why += fmt::format("; the holder has {}", most.count);
  }
  conflict.next = "sysctl net.ipv4.ip_local_port_range net.ipv4.tcp_tw_reuse";
  return conflict;
}

Conflict between_the_same_ends(const Socket& connecting, SocketSpan sockets, uint64_t now_ns) {
  Conflict conflict;
  conflict.reason = id(Reason::connection_exists);
  conflict.why = "a connection between the same two addresses and ports ";
  const auto same = std::ranges::find_if(sockets, [&connecting](const Socket* socket) {
    return socket->key != connecting.key && same_tuple(*socket, connecting);
  });
  if (same == sockets.end()) {
    conflict.why += "existed: it has ended since, or is hidden from this host";
    return conflict;
  }
  conflict.holder = **same;
  conflict.held_for = held_for(**same);
  conflict.next = next_step(**same);
  conflict.why += (*same)->state == State::time_wait
                      ? fmt::format("is in TIME-WAIT for up to {} s more", time_wait_left_s(**same, now_ns))
                      : "exists";
  conflict.why += "; connect() from another port, or leave out bind()";
  return conflict;
}

}  // namespace

bool may_block_connect(const Socket& connecting, const Socket& socket) {
  if (socket.netns != connecting.netns) return false;
  return socket.peer == connecting.peer || (connecting.local.port == 0 && bind_chose_its_port(socket));
}

Conflict explain_failed_connect(const Socket& connecting, SocketSpan sockets, const HostFacts& facts,
                                uint64_t now_ns) {
  return connecting.local.port == 0 ? without_a_port(connecting, sockets, facts)
                                    : between_the_same_ends(connecting, sockets, now_ns);
}

}  // namespace socktrace::diagnose

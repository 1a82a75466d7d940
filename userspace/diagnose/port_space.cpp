#include "diagnose/port_space.h"

#include <sys/socket.h>

#include <linux/in.h>

#include <algorithm>

namespace socktrace::diagnose {
namespace {

uint16_t port_protocol(uint16_t protocol) {
  return protocol == kMptcp ? uint16_t{IPPROTO_TCP} : protocol;
}

}  // namespace

bool is_datagram_protocol(uint16_t protocol) {
  return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

bool shares_ports(const BindRequest& request, const Socket& socket) {
  if (socket.family != Family::inet && socket.family != Family::inet6) return false;
  if (socket.netns != request.netns || socket.type == SOCK_RAW) return false;
  if (port_protocol(socket.protocol) != port_protocol(request.protocol)) return false;
  return is_datagram_protocol(socket.protocol) ? socket.local.port != 0 : holds_tcp_port(socket);
}

std::vector<const Socket*> on_port(const BindRequest& request, SocketSpan sockets) {
  std::vector<const Socket*> port;
  for (const Socket* socket : sockets)
    if (socket->local.port == request.local.port && shares_ports(request, *socket)) port.push_back(socket);
  const auto has_subflow = [&](const Socket* mptcp) {
    return mptcp->protocol == kMptcp && std::ranges::any_of(port, [&](const Socket* other) {
             return other->protocol != kMptcp && other->inode != 0 && other->inode == mptcp->inode;
           });
  };
  std::vector<const Socket*> holders;
  std::ranges::copy_if(port, std::back_inserter(holders), [&](const Socket* s) { return !has_subflow(s); });
  std::ranges::stable_sort(holders, {}, &Socket::opened_ns);
  return holders;
}

}  // namespace socktrace::diagnose

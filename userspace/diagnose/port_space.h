#pragma once

#include <vector>

#include "diagnose/bind_request.h"
#include "diagnose/tcp_rules.h"

namespace socktrace::diagnose {

bool is_datagram_protocol(uint16_t protocol);  // UDP and UDP-Lite

// Whether `socket` has a port among those that `request` chooses from: same namespace, same protocol (an
// MPTCP socket's port is a TCP port), not a raw socket, whose number is its protocol.
bool shares_ports(const BindRequest& request, const Socket& socket);

// The sockets on the requested port in the order in which they were opened; an MPTCP socket only if its TCP
// subflow is not there too.
std::vector<const Socket*> on_port(const BindRequest& request, SocketSpan sockets);

}  // namespace socktrace::diagnose

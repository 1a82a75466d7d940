#pragma once

#include <span>
#include <vector>

#include "diagnose/bind_request.h"
#include "diagnose/claim.h"

namespace socktrace::diagnose {

using SocketSpan = std::span<const Socket* const>;

// Whether a TCP socket keeps its local port from others: it is in the bind hash table.
bool holds_tcp_port(const Socket& socket);

// The sockets of `bucket` that make bind or listen fail with EADDRINUSE for the port they all share; none: it
// succeeds. `bucket` is in the order in which the sockets were bound, oldest first, and for listen contains
// the socket itself. inet_csk_get_port() and what it calls, 5.10 to 6.18.
std::vector<const Socket*> tcp_blockers(const BindRequest& request, SocketSpan bucket, Unknown unknown);

// Whether the two meet at all, whatever their options say.
bool tcp_overlap(const Claim& request, const Claim& holder);

}  // namespace socktrace::diagnose

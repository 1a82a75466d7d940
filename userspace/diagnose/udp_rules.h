#pragma once

#include <span>
#include <vector>

#include "diagnose/bind_request.h"
#include "diagnose/tcp_rules.h"

namespace socktrace::diagnose {

// The sockets of `port` that make bind fail with EADDRINUSE; none: it succeeds. `port` is in the order in
// which the sockets were bound, oldest first. udp_lib_lport_inuse() (net/ipv4/udp.c), 5.10 to 6.18.
std::vector<const Socket*> udp_blockers(const BindRequest& request, SocketSpan port, Unknown unknown);

}  // namespace socktrace::diagnose

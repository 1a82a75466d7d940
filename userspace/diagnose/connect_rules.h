#pragma once

#include "core/event.h"
#include "core/socket.h"
#include "diagnose/host_facts.h"
#include "diagnose/tcp_rules.h"

namespace socktrace::diagnose {

// Whether `socket` can be what keeps `connecting` from a port or from its addresses: a connection to the same peer, or a
// listener, a bound socket or what came in through one, whose port no connect() is given. __inet_hash_connect().
bool may_block_connect(const Socket& connecting, const Socket& socket);

// Why connect() failed with EADDRNOTAVAIL on its way from SYN_SENT. Without a local port: a port serves one connection to
// each peer, so that a client of one server has only as many connections as the range has ports. With one, which bind()
// chose: there is a connection between the same two ends already.
Conflict explain_failed_connect(const Socket& connecting, SocketSpan sockets, const HostFacts& facts,
                                uint64_t now_ns);

}  // namespace socktrace::diagnose

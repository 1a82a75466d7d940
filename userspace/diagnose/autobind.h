#pragma once

#include "core/event.h"
#include "diagnose/bind_request.h"
#include "diagnose/host_facts.h"
#include "diagnose/tcp_rules.h"

namespace socktrace::diagnose {

// Whether the kernel finds no port for a bind to port 0 (or a listen on an unbound socket): every port of the
// local range is reserved or held by an overlapping socket. inet_csk_find_open_port() and udp_lib_get_port().
bool is_range_exhausted(const BindRequest& request, SocketSpan sockets, const HostFacts& facts);

// The explanation; its holder is a socket of the process that holds the most ports, if owners are known.
Conflict range_exhausted(const BindRequest& request, SocketSpan sockets, const HostFacts& facts);

// Why a connect() found no local port (EADDRNOTAVAIL): a port serves one connection to each peer, so that a client
// of one server has only as many connections as the range has ports. `sockets` as far as they have that peer.
Conflict connections_exhausted(const Socket& connecting, SocketSpan sockets, const HostFacts& facts);

}  // namespace socktrace::diagnose

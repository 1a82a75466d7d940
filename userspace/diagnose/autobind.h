#pragma once

#include "core/event.h"
#include "diagnose/bind_request.h"
#include "diagnose/host_facts.h"
#include "diagnose/tcp_rules.h"

namespace socktrace::diagnose {

// Whether the kernel finds no port for a bind to port 0 (or a listen on an unbound socket): every port of the
// local range is reserved or held by an overlapping socket. inet_csk_find_open_port() and udp_lib_get_port().
bool is_range_exhausted(const BindRequest& request, SocketSpan sockets, const HostFacts& facts);

// The explanation of its failure; the holder is a socket of the process that holds the most ports, if owners are
// known. None holds it when the range has free ports: the socket has a range of its own then.
Conflict range_exhausted(const BindRequest& request, SocketSpan sockets, const HostFacts& facts);

}  // namespace socktrace::diagnose

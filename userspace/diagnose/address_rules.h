#pragma once

#include "diagnose/bind_request.h"
#include "diagnose/host_facts.h"

namespace socktrace::diagnose {

// Why a bind fails whatever other sockets exist.
enum class AddressFault : uint8_t {
  none,
  not_local,        // EADDRNOTAVAIL
  other_interface,  // EADDRNOTAVAIL: IPv6 link-local or ::1, and of another device than the socket's
  tentative,        // EADDRNOTAVAIL: IPv6, not known yet to be nobody else's
  privileged_port,  // EACCES
  already_bound,    // EINVAL
  mapped_v6_only,   // EINVAL: a v4-mapped address on an IPV6_V6ONLY socket
  needs_scope,      // EINVAL: a link-local address without a device
  tcp_multicast,    // EINVAL: an IPv6 multicast address on TCP
};

// The first fault in the order in which __inet_bind and __inet6_bind (net/ipv4/af_inet.c,
// net/ipv6/af_inet6.c) look; the two differ. listen() on a bound socket has none.
AddressFault address_fault(const BindRequest& request, const HostFacts& facts);
// The errno of a fault; 0 for none.
int error_of(AddressFault fault);

}  // namespace socktrace::diagnose

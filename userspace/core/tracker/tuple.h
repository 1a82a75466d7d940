#pragma once

#include <cstdint>

#include "core/socket.h"

namespace socktrace {

// A hash of what a packet names a socket by: network namespace, protocol and both ends. IPv4 and IPv4-mapped
// addresses are the same. Whoever finds a socket by it should compare with same_tuple().
uint64_t tuple_hash(const Socket& socket);
// The same seen from the other end of the connection.
uint64_t reverse_tuple_hash(const Socket& socket);

bool same_tuple(const Socket& a, const Socket& b);

}  // namespace socktrace

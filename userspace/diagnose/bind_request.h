#pragma once

#include <cstdint>

#include "core/address.h"
#include "core/socket.h"

namespace socktrace::diagnose {

// A bind or listen call, as the kernel judges it. Options nobody knows count as not set.
struct BindRequest {
  uint32_t netns = 0;     // inode number
  uint16_t protocol = 0;  // IPPROTO_*
  Family family = Family::unspecified;
  Endpoint local;        // what is asked for; port 0: any free port
  uint32_t ifindex = 0;  // SO_BINDTODEVICE, or the scope id of a link-local address
  BindOptions options;
  uint32_t uid = UINT32_MAX;      // of the socket, that is of its creator
  SocketKey key;                  // the socket itself is never in its own way
  uint32_t inode = 0;             // sockfs; also tells an MPTCP socket from its subflow's rivals; 0 unknown
  bool is_listen = false;         // listen() on a socket already bound to `local`
  bool already_bound = false;     // bind() on a socket that has a port or a connection
  bool capable_net_bind = false;  // CAP_NET_BIND_SERVICE in the namespace's user namespace
  bool nonlocal = false;          // IP_FREEBIND or IP_TRANSPARENT (and their IPV6_ kin)
  uint64_t time_ns = 0;           // CLOCK_BOOTTIME of the call; 0 unknown
};

// Whether `socket` is the one that asks.
inline bool is_requester(const BindRequest& request, const Socket& socket) {
  return socket.key == request.key || (request.inode != 0 && socket.inode == request.inode);
}

}  // namespace socktrace::diagnose

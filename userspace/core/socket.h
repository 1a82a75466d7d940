#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/address.h"
#include "core/boxed.h"
#include "core/process.h"
#include "core/state.h"

namespace socktrace {

// What tells two live sockets apart. The cookie is unique per boot and survives into TIME_WAIT; `sk` is set
// only for MPTCP parents (protocol 262), whose accepted sockets carry their listener's cookie, and for
// sockets without a cookie. The tracker knows unix sockets, which have no cookie until somebody asks for it, by
// their inode, in `sk`.
struct SocketKey {
  uint64_t cookie = 0;
  uint64_t sk = 0;

  bool operator==(const SocketKey&) const = default;
};

// The options that decide bind conflicts; meaningful when `known`.
struct BindOptions {
  bool known : 1 = false;
  bool reuse_address : 1 = false;
  bool reuse_port : 1 = false;
  bool v6_only : 1 = false;
  bool v6_only_known : 1 = false;  // sock_diag tells v6only for LISTEN and CLOSE sockets only
  bool port_locked : 1 = false;    // bind() chose the port (SOCK_BINDPORT_LOCK)

  bool operator==(const BindOptions&) const = default;
};

// What only some sockets have; kept out of line so that a tracked TCP connection stays small.
struct SocketDetails {
  std::string name;         // unix: path, or '@' and the abstract name, raw bytes
  std::string peer_name;    // unix: what connect() was given, with the events of it
  uint32_t peer_inode = 0;  // unix
  // Families whose ends are not Endpoints: netlink port id and group; vsock context id and port; TIPC node and
  // reference; XDP queue as port.
  uint32_t node = 0;
  uint32_t port = 0;
  uint32_t peer_node = 0;
  uint32_t peer_port = 0;
};

// One socket. Used for table rows, inside events, and for what a dump returns.
struct Socket {
  SocketKey key;
  Endpoint local;
  Endpoint peer;
  uint16_t protocol = 0;  // IPPROTO_*; MPTCP is 262; ETH_P_* for packet, NETLINK_* for netlink
  Family family = Family::unspecified;
  uint8_t type = 0;  // SOCK_*
  State state = State::none;
  BindOptions options;
  uint8_t shutdown = 0;  // RCV_SHUTDOWN 1 | SEND_SHUTDOWN 2
  bool inbound = false;  // a connection that a listener of this host received
  bool since_is_bound =
      false;  // opened_ns is a lower bound of its age: the socket predates the trace ("≥start")
  NoOwner no_owner = NoOwner::unknown;  // meaningful when owners is empty
  uint32_t netns = 0;                   // inode number of its network namespace
  uint32_t inode = 0;                   // sockfs; 0 when no descriptor exists
  uint32_t uid = UINT32_MAX;            // UINT32_MAX unknown
  uint32_t ifindex = 0;                 // bound device
  uint32_t mark = 0;
  uint32_t recv_q = 0;  // as ss: bytes, or pending connections of a listener
  uint32_t send_q = 0;  // as ss: bytes, or the backlog of a listener
  uint64_t cgroup_id = 0;
  uint64_t opened_ns = 0;   // CLOCK_BOOTTIME when first seen
  uint64_t changed_ns = 0;  // CLOCK_BOOTTIME of the last change
  std::vector<Owner> owners;
  Boxed<SocketDetails> details;
};

inline constexpr uint16_t kMptcp = 262;  // IPPROTO_MPTCP, which older headers lack

// Its details, or empty ones.
const SocketDetails& details_of(const Socket& socket);

bool is_inet(const Socket& socket);  // IPv4 or IPv6
bool is_unix(const Socket& socket);
bool is_tcp(const Socket& socket);        // TCP and MPTCP
bool is_datagram(const Socket& socket);   // UDP and UDP-Lite
bool is_listening(const Socket& socket);  // LISTEN, or an unconnected datagram socket with a local port
// "tcp", "udp", "raw", "mptcp", "u_str": what ss calls Netid.
std::string netid(const Socket& socket);
// SocketDetails::name of what the kernel has in sun_path.
std::string unix_name(std::span<const std::byte> path);
// "tcp", "udp", "udplite", "sctp", "raw", "icmp", "unix": OpenTelemetry network.transport.
std::string transport(const Socket& socket);

}  // namespace socktrace

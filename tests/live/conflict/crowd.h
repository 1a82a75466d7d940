#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/address.h"

namespace socktrace::test {

// What a member of a crowd does once it is bound, if its protocol allows.
enum class Role : uint8_t {
  bound,
  listening,
  connected,         // bound, then connect()
  autobound,         // connect() without bind: the kernel is made to choose the port
  accepted,          // a listener's child whose listener has closed
  self_connected,    // bound, then connected to itself
  close_wait,        // bound and connected; the peer has closed
  fin_wait,          // bound and connected; shut down for writing
  time_wait,         // bound and connected; closed first
  server_time_wait,  // the child of a listener that has closed; closed first
};
inline constexpr int kRoles = 10;

// One random socket of a crowd.
struct MemberSpec {
  bool udp = false;
  Family family = Family::inet;
  AddressBytes address{};
  uint16_t port = 0;
  uint32_t scope = 0;  // sin6_scope_id
  uint32_t device = 0;
  bool reuse_address = false;
  bool reuse_port = false;
  bool v6_only = false;
  bool freebind = false;
  uint32_t uid = 0;
  bool capable = true;  // bind is called with CAP_NET_BIND_SERVICE
  bool rebind = false;  // bind is called a second time
  Role role = Role::bound;
};

std::string to_string(const MemberSpec& spec);

struct Crowd {
  uint16_t port = 0;              // the crowd's own ports: this one and the three after it
  uint16_t privileged_below = 0;  // ip_unprivileged_port_start; 0: as it is
  bool listen_late = false;       // once all are there, those that are only bound listen
  std::vector<MemberSpec> members;
};

// A crowd of two to four sockets of one protocol on `port` and, rarely, the port after it. `loopback` and
// `device` are the interfaces they may be bound to.
Crowd random_crowd(std::mt19937_64& random, uint16_t port, uint32_t loopback, uint32_t device);

}  // namespace socktrace::test

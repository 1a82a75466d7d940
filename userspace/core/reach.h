#pragma once

#include <cstdint>
#include <string_view>

#include "core/address.h"
#include "core/socket.h"

namespace socktrace {

// From where a listener's address can be reached, nearest first. A firewall is not asked.
enum class Reach : uint8_t {
  loopback,       // this host: 127.0.0.0/8, ::1
  link_local,     // the same link: 169.254.0.0/16, fe80::/10, multicast of interface or link scope
  private_range,  // a private network: RFC 1918, CGNAT 100.64.0.0/10 (RFC 6598), unique local fc00::/7 (RFC
                  // 4193)
  any_interface,  // 0.0.0.0 or ::, every address the host has or gets
  global,         // an address that the internet routes
};

// Of an address as such.
Reach reach_of(Family family, const AddressBytes& address);
// Of a socket: bound to a loopback device it is loopback whatever its address; `loopback_ifindex` is 1 in
// every namespace.
Reach reach_of(const Socket& socket, uint32_t loopback_ifindex = 1);

// "loopback", "link local", "private", "any iface", "public"
std::string_view name(Reach reach);
// Whether other hosts may get there: everything but loopback.
constexpr bool is_exposed(Reach reach) {
  return reach != Reach::loopback;
}

}  // namespace socktrace

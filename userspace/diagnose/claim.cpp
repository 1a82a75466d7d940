#include "diagnose/claim.h"

#include <cstring>

namespace socktrace::diagnose {
namespace {

enum class Kind : uint8_t { v4, any, native };

// ipv6_addr_type(), as far as binding cares; an IPv4 socket counts as v4-mapped.
Kind kind_of(const Claim& claim) {
  if (claim.family == Family::inet || is_v4_mapped(claim.family, claim.address)) return Kind::v4;
  return is_wildcard(claim.family, claim.address) ? Kind::any : Kind::native;
}

// inet_rcv_saddr. The kernel gives a native IPv6 socket the placeholder LOOPBACK4_IPV6 (127.0.0.6), which is
// why a connection on ::1 that is not IPV6_V6ONLY collides with the IPv4 wildcard.
uint32_t v4_address(const Claim& claim) {
  constexpr AddressBytes kLoopback4Ipv6 = {127, 0, 0, 6};
  const uint8_t* bytes = claim.address.data();
  if (claim.family == Family::inet6) {
    if (is_wildcard(claim.family, claim.address)) return 0;
    bytes = is_v4_mapped(claim.family, claim.address) ? bytes + 12 : kLoopback4Ipv6.data();
  }
  uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

bool v4_overlap(const Claim& first, const Claim& second, bool second_wildcard) {
  if (second.v6_only) return false;
  const uint32_t a = v4_address(first);
  const uint32_t b = v4_address(second);
  return a == b || a == 0 || (second_wildcard && b == 0);
}

bool is_native(Family family, const AddressBytes& address) {
  return family == Family::inet6 && !is_wildcard(family, address) && !is_v4_mapped(family, address);
}

}  // namespace

Claim claim_of(const BindRequest& request) {
  Claim claim;
  claim.family = request.family;
  claim.address = request.local.address;
  // __inet6_bind sets sk_ipv6only itself for every address that is neither :: nor v4-mapped.
  claim.v6_only = request.options.v6_only || is_native(request.family, request.local.address);
  claim.ifindex = request.ifindex;
  claim.reuse_address = request.options.reuse_address;
  claim.reuse_port = request.options.reuse_port;
  claim.uid = request.uid;
  claim.listening = request.is_listen;
  return claim;
}

bool has_unknown_options(const Socket& socket) {
  return !socket.options.known ||
         (socket.family == Family::inet6 && !socket.options.v6_only && !socket.options.v6_only_known);
}

Claim claim_of(const Socket& socket, Unknown unknown) {
  const bool permit = unknown == Unknown::permits;
  Claim claim;
  claim.family = socket.family;
  claim.address = socket.local.address;
  claim.v6_only = socket.options.v6_only;
  if (is_native(socket.family, socket.local.address)) {
    const bool bound = socket.state == State::listen || socket.state == State::close ||
                       socket.state == State::bound_inactive;
    if (bound || (permit && !socket.options.v6_only_known)) claim.v6_only = true;
  } else if (!socket.options.v6_only_known && permit && socket.family == Family::inet6 &&
             is_wildcard(socket.family, socket.local.address)) {
    claim.v6_only = true;
  }
  claim.ifindex = socket.ifindex;
  claim.reuse_address = socket.options.known ? socket.options.reuse_address : permit;
  claim.reuse_port = socket.options.known ? socket.options.reuse_port : permit;
  claim.uid = socket.uid;
  claim.listening = socket.state == State::listen;
  // The dump shows a timewait mini-socket that still waits for the peer's FIN as FIN-WAIT-2 without an inode.
  claim.time_wait =
      socket.state == State::time_wait || (socket.state == State::fin_wait_2 && socket.inode == 0);
  return claim;
}

bool is_v4(const Claim& claim) {
  return kind_of(claim) == Kind::v4;
}

bool is_v4_wildcard(const Claim& claim) {
  return is_v4(claim) && v4_address(claim) == 0;
}

bool is_native_v6(const Claim& claim) {
  return kind_of(claim) == Kind::native;
}

bool addresses_overlap(const Claim& first, const Claim& second, bool second_wildcard) {
  if (first.family == Family::inet) return v4_overlap(first, second, second_wildcard);
  const Kind a = kind_of(first);
  const Kind b = kind_of(second);
  if (a == Kind::v4 && b == Kind::v4) return v4_overlap(first, second, second_wildcard);
  if (a == Kind::any && b == Kind::any) return true;
  if (b == Kind::any && second_wildcard && !(second.v6_only && a == Kind::v4)) return true;
  if (a == Kind::any && !(first.v6_only && b == Kind::v4)) return true;
  return second.family == Family::inet6 && first.address == second.address;
}

bool devices_overlap(const Claim& a, const Claim& b) {
  return a.ifindex == 0 || b.ifindex == 0 || a.ifindex == b.ifindex;
}

bool overlaps_across_families(const Claim& a, const Claim& b) {
  const Kind first = kind_of(a);
  const Kind second = kind_of(b);
  return (first == Kind::any && second == Kind::v4) || (first == Kind::v4 && second == Kind::any);
}

}  // namespace socktrace::diagnose

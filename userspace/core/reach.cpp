#include "core/reach.h"

namespace socktrace {
namespace {

Reach reach_of_v4(const uint8_t* a) {
  if (a[0] == 0 && a[1] == 0 && a[2] == 0 && a[3] == 0) return Reach::any_interface;
  if (a[0] == 127) return Reach::loopback;
  if (a[0] == 169 && a[1] == 254) return Reach::link_local;
  if (a[0] == 224 && a[1] == 0 && a[2] == 0) return Reach::link_local;  // never forwarded (RFC 5771)
  if ((a[0] & a[1] & a[2] & a[3]) == 0xff) return Reach::link_local;    // limited broadcast
  const bool rfc1918 = a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168);
  const bool cgnat = a[0] == 100 && (a[1] & 0xc0) == 64;
  const bool scoped_multicast = a[0] == 239;  // administratively scoped (RFC 2365)
  return rfc1918 || cgnat || scoped_multicast ? Reach::private_range : Reach::global;
}

Reach reach_of_v6(const AddressBytes& a) {
  if (is_v4_mapped(Family::inet6, a)) return reach_of_v4(a.data() + 12);
  if (is_wildcard(Family::inet6, a)) return Reach::any_interface;
  if (is_loopback(Family::inet6, a)) return Reach::loopback;
  if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) return Reach::link_local;
  if (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0) return Reach::private_range;  // site local, deprecated
  if ((a[0] & 0xfe) == 0xfc) return Reach::private_range;
  if (a[0] == 0xff) {  // the scope of a multicast address (RFC 7346)
    const uint8_t scope = a[1] & 0x0f;
    if (scope == 1) return Reach::loopback;
    if (scope == 2) return Reach::link_local;
    return scope < 0x0e ? Reach::private_range : Reach::global;
  }
  return Reach::global;
}

}  // namespace

Reach reach_of(Family family, const AddressBytes& address) {
  return family == Family::inet ? reach_of_v4(address.data()) : reach_of_v6(address);
}

Reach reach_of(const Socket& socket, uint32_t loopback_ifindex) {
  if (socket.ifindex != 0 && socket.ifindex == loopback_ifindex) return Reach::loopback;
  return reach_of(socket.family, socket.local.address);
}

std::string_view name(Reach reach) {
  switch (reach) {
    case Reach::loopback:
      return "loopback";
    case Reach::link_local:
      return "link local";
    case Reach::private_range:
      return "private";
    case Reach::any_interface:
      return "any iface";
    case Reach::global:
      break;
  }
  return "public";
}

}  // namespace socktrace

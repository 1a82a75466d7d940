#include "diagnose/address_rules.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace socktrace::diagnose {
namespace {

bool in_network(const AddressBytes& address, const LocalNetwork& network) {
  const size_t whole = network.prefix_length / 8;
  if (std::memcmp(address.data(), network.address.data(), whole) != 0) return false;
  const unsigned rest = network.prefix_length % 8;
  return rest == 0 || ((address[whole] ^ network.address[whole]) >> (8 - rest)) == 0;
}

AddressBytes unmapped(const AddressBytes& mapped) {
  AddressBytes v4{};
  std::copy(mapped.begin() + 12, mapped.end(), v4.begin());
  return v4;
}

bool is_v4_multicast_or_broadcast(const AddressBytes& v4) {
  return (v4[0] & 0xf0) == 0xe0 || (v4[0] & v4[1] & v4[2] & v4[3]) == 0xff;
}

bool is_link_local(const AddressBytes& v6) {
  return v6[0] == 0xfe && (v6[1] & 0xc0) == 0x80;
}

// Multicast of interface and link scope: __ipv6_addr_needs_scope_id().
bool is_scoped_multicast(const AddressBytes& v6) {
  return v6[0] == 0xff && ((v6[1] & 0x0f) == 1 || (v6[1] & 0x0f) == 2);
}

// inet_addr_type_table(); v4-mapped addresses too are looked for on every device.
AddressFault v4_fault(const AddressBytes& v4, const HostFacts& facts) {
  if (is_wildcard(Family::inet, v4) || is_v4_multicast_or_broadcast(v4)) return AddressFault::none;
  const bool local = std::ranges::any_of(facts.addresses, [&v4](const LocalNetwork& network) {
    return network.family == Family::inet && in_network(v4, network);
  });
  return local ? AddressFault::none : AddressFault::not_local;
}

// ipv6_chk_addr()
AddressFault v6_fault(const AddressBytes& v6, uint32_t ifindex, const HostFacts& facts) {
  if (is_wildcard(Family::inet6, v6) || v6[0] == 0xff) return AddressFault::none;
  AddressFault fault = AddressFault::not_local;
  for (const LocalNetwork& network : facts.addresses) {
    if (network.family != Family::inet6 || network.address != v6) continue;
    const bool reached = ifindex == 0 || ifindex == network.ifindex || !network.interface_only;
    if (reached && !network.tentative) return AddressFault::none;
    if (fault != AddressFault::tentative)
      fault = reached ? AddressFault::tentative : AddressFault::other_interface;
  }
  return fault;
}

bool is_privileged(const BindRequest& request, const HostFacts& facts) {
  return request.local.port != 0 && request.local.port < facts.unprivileged_port_start &&
         !request.capable_net_bind;
}

AddressFault inet_fault(const BindRequest& request, const HostFacts& facts) {
  if (facts.addresses_known && !request.nonlocal && !facts.nonlocal_bind_v4) {
    const AddressFault fault = v4_fault(request.local.address, facts);
    if (fault != AddressFault::none) return fault;
  }
  if (is_privileged(request, facts)) return AddressFault::privileged_port;
  return request.already_bound ? AddressFault::already_bound : AddressFault::none;
}

AddressFault inet6_fault(const BindRequest& request, const HostFacts& facts) {
  const AddressBytes& address = request.local.address;
  if (address[0] == 0xff && request.protocol != IPPROTO_UDP && request.protocol != IPPROTO_UDPLITE)
    return AddressFault::tcp_multicast;
  if (is_privileged(request, facts)) return AddressFault::privileged_port;
  if (request.already_bound) return AddressFault::already_bound;
  if (is_v4_mapped(Family::inet6, address)) {
    if (request.options.v6_only) return AddressFault::mapped_v6_only;
    if (!facts.addresses_known || request.nonlocal || facts.nonlocal_bind_v4) return AddressFault::none;
    return v4_fault(unmapped(address), facts);
  }
  if (request.ifindex == 0 && (is_link_local(address) || is_scoped_multicast(address)))
    return AddressFault::needs_scope;
  if (!facts.addresses_known || request.nonlocal || facts.nonlocal_bind_v6) return AddressFault::none;
  return v6_fault(address, request.ifindex, facts);
}

}  // namespace

AddressFault address_fault(const BindRequest& request, const HostFacts& facts) {
  if (request.is_listen) return AddressFault::none;
  if (request.family == Family::inet) return inet_fault(request, facts);
  if (request.family == Family::inet6) return inet6_fault(request, facts);
  return AddressFault::none;
}

int error_of(AddressFault fault) {
  switch (fault) {
    case AddressFault::none:
      return 0;
    case AddressFault::not_local:
    case AddressFault::other_interface:
    case AddressFault::tentative:
      return EADDRNOTAVAIL;
    case AddressFault::privileged_port:
      return EACCES;
    default:
      return EINVAL;
  }
}

}  // namespace socktrace::diagnose

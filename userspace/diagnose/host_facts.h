#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/address.h"
#include "core/result.h"

namespace socktrace::diagnose {

// Ports first..last, both included.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;

  bool operator==(const PortRange&) const = default;
};

// Addresses that bind() accepts: a local or broadcast route (IPv4), an address of an interface (IPv6).
struct LocalNetwork {
  Family family = Family::unspecified;
  AddressBytes address{};
  uint8_t prefix_length = 0;
  uint32_t ifindex = 0;
  bool interface_only = false;  // IPv6 link-local and ::1: refused on a socket bound to another device
  bool tentative = false;  // IPv6: refused as long as duplicate address detection runs, or once it has failed

  bool operator==(const LocalNetwork&) const = default;
};

// What the outcome of a bind depends on besides the other sockets; one network namespace. The defaults are
// the kernel's own.
struct HostFacts {
  uint16_t unprivileged_port_start = 1024;  // net.ipv4.ip_unprivileged_port_start, also for IPv6
  PortRange local_ports{32768, 60999};      // net.ipv4.ip_local_port_range
  std::vector<PortRange> reserved_ports;    // net.ipv4.ip_local_reserved_ports
  bool nonlocal_bind_v4 = false;            // net.ipv4.ip_nonlocal_bind
  bool nonlocal_bind_v6 = false;            // net.ipv6.ip_nonlocal_bind
  bool autobind_reuse = false;              // net.ipv4.ip_autobind_reuse
  bool addresses_known = false;             // without it every address counts as local
  std::vector<LocalNetwork> addresses;
};

bool is_reserved(const HostFacts& facts, uint16_t port);
// Whether the kernel would pick the port by itself: in the local port range and not reserved.
bool is_ephemeral(const HostFacts& facts, uint16_t port);

// "32768\t60999\n". Error: not two numbers up to 65535 in order.
Result<PortRange> parse_port_range(std::string_view text);
// "8080,9000-9010\n"; an empty text is no range.
Result<std::vector<PortRange>> parse_reserved_ports(std::string_view text);

// The facts of the calling thread's network namespace, from `root`/proc/sys/net and rtnetlink. A sysctl this
// kernel does not have keeps its default. Error: the addresses could not be listed, or a sysctl could not be
// understood.
Result<HostFacts> read_host_facts(const std::string& root = "");
// The sysctls alone.
Result<HostFacts> read_port_sysctls(const std::string& root);
// The local networks alone: rtnetlink dumps of local and broadcast routes (IPv4) and of addresses (IPv6).
Result<std::vector<LocalNetwork>> read_local_networks();

}  // namespace socktrace::diagnose

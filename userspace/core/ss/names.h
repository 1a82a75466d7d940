#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/address.h"
#include "core/diag/table.h"

namespace socktrace::ss {

// Where the table gets names for numbers: the edges look them up (and remember them). Each must be set; an
// empty answer means that there is no name.
struct Names {
  std::function<std::string_view(uint16_t port, diag::Table table)> service;
  std::function<std::string_view(uint8_t protocol)> ip_protocol;
  std::function<std::string_view(uint32_t netns, uint32_t ifindex)> interface;
  std::function<std::string_view(Family, const AddressBytes&)> host;
  std::function<std::string(uint32_t pid)> process;                 // comm; raw bytes
  std::function<std::string(uint64_t id)> cgroup;                   // path below the cgroup2 mount; raw bytes
  std::function<std::string(uint32_t pid)> process_context;         // of SELinux; raw bytes
  std::function<std::string(uint32_t pid, int fd)> socket_context;  // of SELinux; raw bytes
  std::function<std::string(uint32_t map, std::span<const std::byte>)> map_value;  // of a BPF map
};

// Names of kernel constants. Empty when there is none.
std::string_view netlink_protocol_name(uint16_t protocol);  // "rtnl"
std::string_view ethertype_name(uint16_t ethertype);        // "arp"; host order

}  // namespace socktrace::ss

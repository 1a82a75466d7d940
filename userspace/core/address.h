#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace socktrace {

// Address families, by their AF_ numbers.
enum class Family : uint8_t {
  unspecified = 0,
  unix = 1,
  inet = 2,
  inet6 = 10,
  netlink = 16,
  packet = 17,
  tipc = 30,
  vsock = 40,
  xdp = 44,
};

// An IPv4 (first four bytes) or IPv6 address in network byte order; the family is kept beside it.
using AddressBytes = std::array<uint8_t, 16>;

// One end of a socket. Port in host order; 0 means none ("*").
struct Endpoint {
  AddressBytes address{};
  uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
};

// 0.0.0.0 or ::
bool is_wildcard(Family family, const AddressBytes& address);
// 127.0.0.0/8, ::1, and ::ffff:127.0.0.0/104
bool is_loopback(Family family, const AddressBytes& address);
// ::ffff:0:0/96
bool is_v4_mapped(Family family, const AddressBytes& address);

struct AddressText {
  std::array<char, 48> text{};
  size_t size = 0;
  [[nodiscard]] std::string_view view() const { return {text.data(), size}; }
};
// As inet_ntop writes it: "127.0.0.1", "::1"; never brackets. Families without an address give "".
AddressText address_text(Family family, const AddressBytes& address);
std::string to_string(Family family, const AddressBytes& address);
// "127.0.0.1:80", "[::1]:80", port 0 as "*"; the wildcard is written as it is: "0.0.0.0:80", "[::]:80".
void append_endpoint(std::string& out, Family family, const Endpoint& endpoint);
std::string to_string(Family family, const Endpoint& endpoint);

}  // namespace socktrace

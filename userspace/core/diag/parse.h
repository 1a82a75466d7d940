#pragma once

#include <cstring>

#include "core/diag/row.h"

// Shared by the parsers of the families; nobody else includes it.
namespace socktrace::diag {

inline uint64_t cookie(const uint32_t (&halves)[2]) {
  return halves[0] | uint64_t{halves[1]} << 32;
}

// The kernel sends no state beyond these; one that is newer than this program is UNKNOWN.
inline State state(uint8_t number) {
  return number < kStateCount ? static_cast<State>(number) : State::none;
}

template <typename Header>
Result<Header> take_header(std::span<const std::byte> message) {
  Header header;
  if (message.size() < sizeof header)
    return Error{"sock_diag message: shorter than its header", ErrorKind::damaged};
  std::memcpy(&header, message.data(), sizeof header);
  return header;
}

Result<Row> parse_inet(Table table, std::span<const std::byte> message);
Result<Row> parse_unix(std::span<const std::byte> message);
Result<Row> parse_packet(std::span<const std::byte> message);
Result<Row> parse_netlink(std::span<const std::byte> message);
Result<Row> parse_vsock(std::span<const std::byte> message);
Result<Row> parse_xdp(std::span<const std::byte> message);
Result<Row> parse_tipc(std::span<const std::byte> message);

}  // namespace socktrace::diag

#pragma once

#include <cstdint>

#include "core/address.h"

namespace socktrace::diag {

// The kernel's socket tables as ss names them, in the order in which ss lists them. tcp is also where the
// subflows of MPTCP connections are; raw includes nothing of packet.
enum class Table : uint8_t {
  netlink,
  packet_raw,
  packet_dgram,
  unix_stream,
  unix_dgram,
  unix_seqpacket,
  raw,
  udp,
  udplite,
  tcp,
  dccp,
  sctp,
  vsock_stream,
  vsock_dgram,
  tipc,
  xdp,
  mptcp,
};
inline constexpr int kTableCount = 17;

using TableSet = uint32_t;  // bit n: table n
constexpr TableSet bit(Table table) {
  return TableSet{1} << static_cast<int>(table);
}

inline constexpr TableSet kPacketTables = bit(Table::packet_raw) | bit(Table::packet_dgram);
inline constexpr TableSet kUnixTables =
    bit(Table::unix_stream) | bit(Table::unix_dgram) | bit(Table::unix_seqpacket);
inline constexpr TableSet kInetTables = bit(Table::raw) | bit(Table::udp) | bit(Table::udplite) |
                                        bit(Table::tcp) | bit(Table::dccp) | bit(Table::sctp) |
                                        bit(Table::mptcp);
inline constexpr TableSet kVsockTables = bit(Table::vsock_stream) | bit(Table::vsock_dgram);

// IPPROTO_* of an inet table; 255 (IPPROTO_RAW) stands for every raw protocol, as in sock_diag. 0 for other
// tables.
constexpr uint16_t protocol(Table table) {
  switch (table) {
    case Table::raw:
      return 255;
    case Table::udp:
      return 17;
    case Table::udplite:
      return 136;
    case Table::tcp:
      return 6;
    case Table::dccp:
      return 33;
    case Table::sctp:
      return 132;
    case Table::mptcp:
      return 262;
    default:
      return 0;
  }
}

}  // namespace socktrace::diag

#include "core/diag/row.h"

#include "core/diag/parse.h"

namespace socktrace::diag {

Result<Row> parse_row(Table table, std::span<const std::byte> message) {
  if (bit(table) & kInetTables) return parse_inet(table, message);
  if (bit(table) & kUnixTables) return parse_unix(message);
  if (bit(table) & kPacketTables) return parse_packet(message);
  if (bit(table) & kVsockTables) return parse_vsock(message);
  if (table == Table::netlink) return parse_netlink(message);
  if (table == Table::xdp) return parse_xdp(message);
  return parse_tipc(message);
}

Table table_of(const Socket& socket) {
  constexpr uint8_t kDatagram = 2;
  constexpr uint8_t kRaw = 3;
  constexpr uint8_t kSeqPacket = 5;
  if (socket.family == Family::unix)
    return socket.type == kDatagram    ? Table::unix_dgram
           : socket.type == kSeqPacket ? Table::unix_seqpacket
                                       : Table::unix_stream;
  for (const Table table : {Table::tcp, Table::udp, Table::udplite, Table::sctp, Table::dccp, Table::mptcp})
    if (protocol(table) == socket.protocol && socket.type != kRaw) return table;
  return Table::raw;
}

}  // namespace socktrace::diag

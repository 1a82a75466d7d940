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

}  // namespace socktrace::diag

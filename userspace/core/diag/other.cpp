#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/tipc_netlink.h>
#include <linux/vm_sockets_diag.h>
#include <linux/xdp_diag.h>
#include <sys/socket.h>

#include "core/diag/parse.h"

namespace socktrace::diag {

Result<Row> parse_packet(std::span<const std::byte> message) {
  Result<packet_diag_msg> header = take_header<packet_diag_msg>(message);
  if (!header) return std::move(header.error());
  Result<Attributes> attributes = Attributes::parse(message, sizeof *header);
  if (!attributes) return std::move(attributes.error());
  Row row{.table = Table::packet_raw, .socket = {}, .timer = {}, .attributes = *attributes};
  if (header->pdiag_type != SOCK_RAW) row.table = Table::packet_dgram;
  Socket& socket = row.socket;
  socket.key.cookie = cookie(header->pdiag_cookie);
  socket.family = Family::packet;
  socket.type = header->pdiag_type;
  socket.protocol = header->pdiag_num;
  socket.state = State::close;
  socket.inode = header->pdiag_ino;
  socket.uid = attributes->value<uint32_t>(PACKET_DIAG_UID).value_or(UINT32_MAX);
  if (const auto info = attributes->value<packet_diag_info>(PACKET_DIAG_INFO))
    socket.ifindex = info->pdi_index;
  socket.recv_q = attributes->value<uint32_t>(PACKET_DIAG_MEMINFO).value_or(0);  // SK_MEMINFO_RMEM_ALLOC
  return row;
}

Result<Row> parse_netlink(std::span<const std::byte> message) {
  Result<netlink_diag_msg> header = take_header<netlink_diag_msg>(message);
  if (!header) return std::move(header.error());
  Result<Attributes> attributes = Attributes::parse(message, sizeof *header);
  if (!attributes) return std::move(attributes.error());
  Row row{.table = Table::netlink, .socket = {}, .timer = {}, .attributes = *attributes};
  Socket& socket = row.socket;
  socket.key.cookie = cookie(header->ndiag_cookie);
  socket.family = Family::netlink;
  socket.type = header->ndiag_type;
  socket.protocol = header->ndiag_protocol;
  socket.state = State::close;
  socket.inode = header->ndiag_ino;
  SocketDetails& details = socket.details.make();
  details.port = header->ndiag_portid;
  details.peer_port = header->ndiag_dst_portid;
  details.peer_node = header->ndiag_dst_group;
  const auto memory = attributes->bytes(NETLINK_DIAG_MEMINFO);
  if (memory.size() >= 3 * sizeof(uint32_t)) {  // SK_MEMINFO_RMEM_ALLOC, RCVBUF, WMEM_ALLOC
    std::memcpy(&socket.recv_q, memory.data(), sizeof socket.recv_q);
    std::memcpy(&socket.send_q, memory.data() + 2 * sizeof(uint32_t), sizeof socket.send_q);
  }
  return row;
}

Result<Row> parse_vsock(std::span<const std::byte> message) {
  Result<vsock_diag_msg> header = take_header<vsock_diag_msg>(message);
  if (!header) return std::move(header.error());
  Row row{.table = Table::vsock_stream, .socket = {}, .timer = {}, .attributes = {}};
  if (header->vdiag_type == SOCK_DGRAM) row.table = Table::vsock_dgram;
  Socket& socket = row.socket;
  socket.key.cookie = cookie(header->vdiag_cookie);
  socket.family = Family::vsock;
  socket.type = header->vdiag_type;
  socket.state = state(header->vdiag_state);
  socket.inode = header->vdiag_ino;
  socket.shutdown = header->vdiag_shutdown;
  SocketDetails& details = socket.details.make();
  details.node = header->vdiag_src_cid;
  details.port = header->vdiag_src_port;
  details.peer_node = header->vdiag_dst_cid;
  details.peer_port = header->vdiag_dst_port;
  return row;
}

Result<Row> parse_xdp(std::span<const std::byte> message) {
  Result<xdp_diag_msg> header = take_header<xdp_diag_msg>(message);
  if (!header) return std::move(header.error());
  Result<Attributes> attributes = Attributes::parse(message, sizeof *header);
  if (!attributes) return std::move(attributes.error());
  Row row{.table = Table::xdp, .socket = {}, .timer = {}, .attributes = *attributes};
  Socket& socket = row.socket;
  socket.key.cookie = cookie(header->xdiag_cookie);
  socket.family = Family::xdp;
  socket.type = header->xdiag_type;
  socket.state = State::close;
  socket.inode = header->xdiag_ino;
  socket.uid = attributes->value<uint32_t>(XDP_DIAG_UID).value_or(UINT32_MAX);
  if (const auto info = attributes->value<xdp_diag_info>(XDP_DIAG_INFO)) {
    socket.ifindex = info->ifindex;
    socket.details.make().port = info->queue_id;
  }
  socket.recv_q = attributes->value<uint32_t>(XDP_DIAG_MEMINFO).value_or(0);  // SK_MEMINFO_RMEM_ALLOC
  return row;
}

// All in one nest; there is no family byte in front of it.
Result<Row> parse_tipc(std::span<const std::byte> message) {
  Result<Attributes> outer = Attributes::parse(message, 0);
  if (!outer) return std::move(outer.error());
  const Attributes attributes = outer->nested(TIPC_NLA_SOCK);
  Row row{.table = Table::tipc, .socket = {}, .timer = {}, .attributes = attributes};
  Socket& socket = row.socket;
  socket.key.cookie = attributes.value<uint64_t>(TIPC_NLA_SOCK_COOKIE).value_or(0);
  socket.family = Family::tipc;
  socket.type = static_cast<uint8_t>(attributes.value<uint32_t>(TIPC_NLA_SOCK_TYPE).value_or(0));
  socket.state =
      state(static_cast<uint8_t>(attributes.value<uint32_t>(TIPC_NLA_SOCK_TIPC_STATE).value_or(0)));
  socket.inode = attributes.value<uint32_t>(TIPC_NLA_SOCK_INO).value_or(0);
  socket.uid = attributes.value<uint32_t>(TIPC_NLA_SOCK_UID).value_or(UINT32_MAX);
  SocketDetails& details = socket.details.make();
  details.node = attributes.value<uint32_t>(TIPC_NLA_SOCK_ADDR).value_or(0);
  details.port = attributes.value<uint32_t>(TIPC_NLA_SOCK_REF).value_or(0);
  const Attributes statistics = attributes.nested(TIPC_NLA_SOCK_STAT);
  socket.recv_q = statistics.value<uint32_t>(TIPC_NLA_SOCK_STAT_RCVQ).value_or(0);
  socket.send_q = statistics.value<uint32_t>(TIPC_NLA_SOCK_STAT_SENDQ).value_or(0);
  const Attributes connection = attributes.nested(TIPC_NLA_SOCK_CON);
  details.peer_node = connection.value<uint32_t>(TIPC_NLA_CON_NODE).value_or(0);
  details.peer_port = connection.value<uint32_t>(TIPC_NLA_CON_SOCK).value_or(0);
  return row;
}

}  // namespace socktrace::diag

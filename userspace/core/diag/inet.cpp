#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <sys/socket.h>

#include "core/diag/parse.h"

namespace socktrace::diag {
namespace {

uint8_t socket_type(Table table) {
  switch (table) {
    case Table::raw:
      return SOCK_RAW;
    case Table::udp:
    case Table::udplite:
      return SOCK_DGRAM;
    case Table::dccp:
      return SOCK_DCCP;
    default:
      return SOCK_STREAM;
  }
}

Endpoint endpoint(const __be32 (&address)[4], __be16 port) {
  Endpoint end;
  std::memcpy(end.address.data(), address, end.address.size());
  end.port = ntohs(port);
  return end;
}

}  // namespace

uint32_t inet_inode(std::span<const std::byte> message) {
  uint32_t inode = 0;
  constexpr size_t kOffset = offsetof(inet_diag_msg, idiag_inode);
  if (message.size() >= kOffset + sizeof inode) std::memcpy(&inode, message.data() + kOffset, sizeof inode);
  return inode;
}

Result<Row> parse_inet(Table table, std::span<const std::byte> message) {
  Result<inet_diag_msg> header = take_header<inet_diag_msg>(message);
  if (!header) return std::move(header.error());
  Result<Attributes> attributes = Attributes::parse(message, sizeof *header);
  if (!attributes) return std::move(attributes.error());
  if (header->idiag_family != AF_INET && header->idiag_family != AF_INET6)
    return Error{"sock_diag message: an inet socket of another family", ErrorKind::damaged};

  Row row{.table = table, .socket = {}, .timer = {}, .attributes = *attributes};
  row.timer = {
      .kind = header->idiag_timer, .retransmits = header->idiag_retrans, .expires_ms = header->idiag_expires};
  Socket& socket = row.socket;
  socket.key.cookie = cookie(header->id.idiag_cookie);
  socket.family = static_cast<Family>(header->idiag_family);
  socket.type = socket_type(table);
  socket.protocol = protocol(table);
  if (table == Table::raw) socket.protocol = attributes->value<uint8_t>(INET_DIAG_PROTOCOL).value_or(255);
  socket.state = state(header->idiag_state);
  socket.local = endpoint(header->id.idiag_src, header->id.idiag_sport);
  socket.peer = endpoint(header->id.idiag_dst, header->id.idiag_dport);
  socket.ifindex = header->id.idiag_if;
  socket.recv_q = header->idiag_rqueue;
  socket.send_q = header->idiag_wqueue;
  socket.inode = header->idiag_inode;
  // TIME_WAIT and request mini-sockets have no owner, and report uid 0.
  const bool mini = row.timer.is_timewait() || socket.state == State::syn_recv;
  if (!mini) socket.uid = header->idiag_uid;
  socket.mark = attributes->value<uint32_t>(INET_DIAG_MARK).value_or(0);
  socket.cgroup_id = attributes->value<uint64_t>(INET_DIAG_CGROUP_ID).value_or(0);
  socket.shutdown = attributes->value<uint8_t>(INET_DIAG_SHUTDOWN).value_or(0);
  if (const auto v6_only = attributes->value<uint8_t>(INET_DIAG_SKV6ONLY)) {
    socket.options.v6_only_known = true;
    socket.options.v6_only = *v6_only != 0;
  }
  return row;
}

}  // namespace socktrace::diag

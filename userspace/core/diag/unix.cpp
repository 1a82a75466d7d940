#include <linux/unix_diag.h>
#include <sys/socket.h>

#include "core/diag/parse.h"

namespace socktrace::diag {

Result<Row> parse_unix(std::span<const std::byte> message) {
  Result<unix_diag_msg> header = take_header<unix_diag_msg>(message);
  if (!header) return std::move(header.error());
  Result<Attributes> attributes = Attributes::parse(message, sizeof *header);
  if (!attributes) return std::move(attributes.error());
  Row row{.table = Table::unix_stream, .socket = {}, .timer = {}, .attributes = *attributes};
  if (header->udiag_type == SOCK_DGRAM) row.table = Table::unix_dgram;
  if (header->udiag_type == SOCK_SEQPACKET) row.table = Table::unix_seqpacket;
  Socket& socket = row.socket;
  socket.key.cookie = cookie(header->udiag_cookie);
  socket.family = Family::unix;
  socket.type = header->udiag_type;
  socket.state = state(header->udiag_state);
  socket.inode = header->udiag_ino;
  socket.shutdown = attributes->value<uint8_t>(UNIX_DIAG_SHUTDOWN).value_or(0);
  socket.uid = attributes->value<uint32_t>(UNIX_DIAG_UID).value_or(UINT32_MAX);
  if (const auto queues = attributes->value<unix_diag_rqlen>(UNIX_DIAG_RQLEN)) {
    socket.recv_q = queues->udiag_rqueue;
    socket.send_q = queues->udiag_wqueue;
  }
  const auto peer = attributes->value<uint32_t>(UNIX_DIAG_PEER);
  std::string name = unix_name(attributes->bytes(UNIX_DIAG_NAME));
  if (peer || !name.empty()) {
    SocketDetails& details = socket.details.make();
    details.name = std::move(name);
    details.peer_inode = peer.value_or(0);
  }
  return row;
}

}  // namespace socktrace::diag

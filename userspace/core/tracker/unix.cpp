// Unix sockets: what is theirs alone. Their results of bind(), listen() and accept(), and their ends, are as of any other
// socket.
#include <sys/socket.h>

#include "core/tracker/owners.h"
#include "core/tracker/tracker.h"

namespace socktrace {

// Of every type: it is connected when connect() returns, or it is not.
void Tracker::on_unix_connect(const Hit& hit) {
  const Record& record = hit.record;
  if (is_over(hit)) return;
  const State before = hit.row != nullptr ? hit.row->state : State::close;
  const bool failed = record.error != 0;
  Socket socket = current(hit);
  std::string peer_name = record.socket.details ? record.socket.details->peer_name : "";
  if (socket.details || !peer_name.empty()) socket.details.make().peer_name = std::move(peer_name);
  socket.state = failed ? before : record.new_state;

  EventKind kind = record.socket.type == SOCK_DGRAM ? EventKind::udp_connect : EventKind::tcp_established;
  if (failed) kind = EventKind::tcp_connect_failed;
  Event connected = event(kind, record, std::move(socket));
  connected.previous = before;
  connected.error = record.error;
  connected.gone = failed && hit.row == nullptr;
  add_owner(connected.socket, connected.process, connected.fd);
  emit(std::move(connected));
}

// Whose socket an accepted one is connected with, is known of both from then on.
void Tracker::note_unix_peer(const Socket& accepted) {
  if (accepted.details && accepted.details->peer_inode != 0)
    table_.set_peer_inode({0, accepted.details->peer_inode}, accepted.inode);
}

}  // namespace socktrace

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
  const bool late = hit.row != nullptr && record.time_ns < hit.row->changed_ns;
  Socket socket = current(hit);
  const SocketDetails& told = details_of(record.socket);
  if (socket.details || !told.peer_name.empty()) {
    socket.details.make().peer_name = told.peer_name;
    socket.details->peer_inode = failed ? 0 : told.peer_inode;
  }
  socket.state = failed || late ? before : record.new_state;

  EventKind kind = record.socket.type == SOCK_DGRAM ? EventKind::udp_connect : EventKind::tcp_established;
  if (failed) kind = EventKind::tcp_connect_failed;
  Event connected = event(kind, record, std::move(socket));
  connected.previous = before;
  connected.error = record.error;
  connected.gone = failed && hit.row == nullptr;
  add_owner(connected.socket, connected.process, connected.fd);
  emit(std::move(connected));
}

}  // namespace socktrace

// Datagram, raw and ping sockets: open from their first sign of life until their last descriptor is closed.
#include "core/tracker/owners.h"
#include "core/tracker/tracker.h"

namespace socktrace {

// Raw and ping sockets receive at once. They have no event of their own to open with.
void Tracker::on_create(const Hit& hit) {
  if (is_over(hit)) return;
  Socket socket = current(hit);
  if (hit.row == nullptr) socket.state = State::close;
  socket.opened_ns = hit.record.time_ns;
  socket.since_is_bound = false;
  Event created = event(EventKind::socket_seen, hit.record, std::move(socket));
  add_owner(created.socket, created.process, hit.record.task.fd);
  emit(std::move(created));
}

void Tracker::on_connect(const Hit& hit) {
  const Record& record = hit.record;
  if (is_unix(record.socket)) return on_unix_connect(hit);
  if (is_connection_oriented(record.socket)) return on_stream_connect(hit);
  if (record.error != 0 || is_over(hit)) return;
  const bool told = record.has_result && record.new_state != State::none;
  if (told && record.new_state == State::close) return on_disconnect(hit);
  const bool datagram = is_datagram(record.socket);
  Socket socket = current(hit);
  socket.state = told ? record.new_state : State::established;
  if (told && !datagram) {  // raw and ping sockets connect to an address alone
    socket.local = record.socket.local;
    socket.peer = record.socket.peer;
  }
  Event connected =
      event(datagram ? EventKind::udp_connect : EventKind::socket_seen, record, std::move(socket));
  connected.previous = hit.row != nullptr ? hit.row->state : State::close;
  add_owner(connected.socket, connected.process, record.task.fd);
  if (datagram && hit.row == nullptr && record.socket.local.port != 0) {
    Event opened = connected;
    opened.kind = EventKind::udp_open;
    opened.previous = State::none;
    emit(std::move(opened));
  }
  emit(std::move(connected));
}

// connect(AF_UNSPEC). A port that bind() has not named is given back, and the socket is in no table any more
// until it is bound, connects or sends anew.
void Tracker::on_disconnect(const Hit& hit) {
  const Record& record = hit.record;
  if (hit.row == nullptr) return;
  Socket socket = current(hit);
  const bool datagram = is_datagram(socket);
  const bool ends = datagram && record.socket.local.port == 0;
  if (!ends) socket.peer = {};
  socket.state = State::close;
  const EventKind kind = ends       ? EventKind::udp_closed
                         : datagram ? EventKind::udp_connect
                                    : EventKind::socket_seen;
  Event disconnected = event(kind, record, std::move(socket));
  disconnected.previous = hit.row->state;
  disconnected.gone = ends;
  add_owner(disconnected.socket, disconnected.process, record.task.fd);
  if (ends) return end(std::move(disconnected));
  emit(std::move(disconnected));
}

void Tracker::on_send(const Hit& hit) {
  if (hit.row != nullptr || is_over(hit)) return;
  Socket socket = current(hit);
  socket.state = State::close;
  socket.peer = {};  // where it sent to is not whom it is connected with
  Event opened = event(EventKind::udp_open, hit.record, std::move(socket));
  add_owner(opened.socket, opened.process, hit.record.task.fd);
  emit(std::move(opened));
}

}  // namespace socktrace

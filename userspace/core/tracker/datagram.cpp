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
  if (record.error != 0 || is_over(hit)) return;
  const bool datagram = is_datagram(record.socket);
  Socket socket = current(hit);
  const bool told = record.has_result && record.new_state != State::none;
  socket.state = told ? record.new_state : State::established;
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

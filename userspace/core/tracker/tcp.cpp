// Transitions of TCP, MPTCP and SCTP sockets.
#include "core/tracker/tracker.h"

namespace socktrace {
namespace {

constexpr uint64_t kTimeWait_ns = 60'000'000'000;  // TCP_TIMEWAIT_LEN; also the limit of FIN_WAIT2 mini-sockets

}  // namespace

void Tracker::on_state(const Record& record) {
  if (record.old_state == State::close && record.new_state == State::listen) {
    Pending& pending = pending_[key_of(record)];
    pending.listen = record;
    pending.listen_undone = false;
    return;
  }
  if (const auto pending = pending_.find(key_of(record)); pending != pending_.end() && pending->second.listen) {
    if (record.old_state == State::listen && record.new_state == State::close) {
      pending->second.listen_undone = true;  // the result of listen() tells the errno
      return;
    }
  }
  if (record.old_state == record.new_state) return;

  if (record.new_state == State::syn_sent) return on_connecting(record);
  if (record.new_state == State::established) return on_established(record);
  if (record.new_state == State::close) return on_close(record);

  const bool born = table_.find(key_of(record)) == nullptr;
  Socket socket = current(record);
  socket.state = record.new_state;
  if (record.old_state == State::listen) {  // TCP Fast Open: the child waits for the handshake's last part
    socket.inbound = true;
    inherit_owners(socket);
  } else if (born) {
    socket.since_is_bound = true;
  }
  if (pending_.contains(key_of(record)) && pending_[key_of(record)].released) mark_exited(socket);
  Event changed = event(EventKind::tcp_state, record, std::move(socket));
  changed.previous = record.old_state;
  emit(std::move(changed));
}

void Tracker::on_connecting(const Record& record) {
  Socket socket = current(record);
  if (socket.state != State::close) socket.opened_ns = record.time_ns;  // not bound before
  socket.state = State::syn_sent;
  socket.inbound = false;
  add_owner(socket, record);
  Event connecting = event(EventKind::tcp_connect, record, std::move(socket));
  connecting.previous = State::close;
  emit(std::move(connecting));
}

void Tracker::on_established(const Record& record) {
  const bool born = table_.find(key_of(record)) == nullptr;
  Socket socket = current(record);
  socket.state = State::established;
  if (born && record.old_state == State::syn_recv) {
    socket.inbound = true;
    inherit_owners(socket);
  }
  Event established = event(EventKind::tcp_established, record, std::move(socket));
  established.previous = record.old_state;
  emit(std::move(established));
}

void Tracker::on_close(const Record& record) {
  Socket socket = current(record);
  const auto found = pending_.find(key_of(record));
  const bool released = found != pending_.end() && found->second.released;
  if (released) mark_exited(socket);

  // A port that bind() chose stays with the socket until its last descriptor is closed.
  const bool stays_bound = !released && socket.options.port_locked && socket.local.port != 0;
  EventKind kind = EventKind::tcp_closed;
  if (record.old_state == State::syn_sent) kind = EventKind::tcp_connect_failed;

  Event closed = event(kind, record, std::move(socket));
  closed.previous = record.old_state;
  closed.error = record.error;
  if (record.has_stats && record.old_state != State::listen && record.old_state != State::syn_sent) closed.stats = record.stats;
  if (record.has_mini) {
    closed.socket.state = record.mini_state;
    mark_exited(closed.socket);
    minis_.push_back({key_of(record), record.time_ns + kTimeWait_ns});
  } else {
    closed.socket.state = State::close;
    closed.gone = !stays_bound;
  }
  if (closed.gone || record.has_mini) pending_.erase(key_of(record));
  emit_close(kind, std::move(closed));
}

void Tracker::on_listen(const Record& record) {
  const auto pending = pending_.find(key_of(record));
  if (pending != pending_.end()) pending->second.listen.reset();
  if (record.error != 0)
    listen_failed(record, record.error, false);
  else
    listening(record, true);
}

void Tracker::listening(const Record& record, bool has_result) {
  const Socket* row = table_.find(key_of(record));
  const bool again = row != nullptr && row->state == State::listen;
  Socket socket = current(record);
  if (!again && (row == nullptr || row->state != State::close)) socket.opened_ns = record.time_ns;
  socket.state = State::listen;
  socket.peer = {};
  if (has_result || record.backlog != 0) socket.send_q = record.backlog;
  add_owner(socket, record);
  Event opened = event(again ? EventKind::tcp_state : EventKind::tcp_listen, record, std::move(socket));
  opened.previous = again ? State::listen : State::close;
  emit(std::move(opened));
}

void Tracker::listen_failed(const Record& record, int32_t error, bool inferred) {
  Event failed = event(EventKind::listen_failed, record, record.socket);
  failed.socket.key = key_of(record);
  failed.socket.state = State::close;
  failed.error = error;
  failed.error_inferred = inferred;
  emit(std::move(failed));
}

void Tracker::on_accept(const Record& record) {
  const Socket* row = table_.find(key_of(record));
  Socket socket = current(record);
  if (row == nullptr) socket.state = record.new_state;
  socket.inbound = true;
  socket.no_owner = NoOwner::unknown;
  add_owner(socket, record);
  Event accepted = event(EventKind::tcp_accept, record, std::move(socket));
  accepted.gone = row == nullptr && record.new_state == State::close;  // reset before it was accepted
  emit(std::move(accepted));
}

}  // namespace socktrace

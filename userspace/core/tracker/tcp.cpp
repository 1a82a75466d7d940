// Transitions of TCP, MPTCP and SCTP sockets, and accept().
#include <netinet/in.h>

#include <cerrno>

#include "core/tracker/owners.h"
#include "core/tracker/tracker.h"
#include "core/tracker/tuple.h"

namespace socktrace {
namespace {

constexpr uint64_t kTimeWait_ns =
    60'000'000'000;  // TCP_TIMEWAIT_LEN; also the limit of FIN_WAIT2 mini-sockets

bool is_late(const Record& record, const Socket* row) {
  return row != nullptr && record.time_ns < row->changed_ns;
}

}  // namespace

void Tracker::on_state(const Hit& hit) {
  const Record& record = hit.record;
  // MPTCP announces states it is already in; a child is told when it is established or accepted.
  if (record.old_state == record.new_state) return;
  if (record.old_state == State::listen && record.new_state == State::syn_recv) return;
  if (is_over(hit)) return;

  if (record.new_state == State::listen) return on_candidate(hit);
  if (record.old_state == State::listen && on_listen_undone(hit)) return;
  if (record.new_state == State::syn_sent) return on_connecting({record, hit.key, table_.find(hit.key)});
  if (record.new_state == State::established) return on_established(hit);
  if (record.new_state == State::close) return on_close({record, hit.key, table_.find(hit.key)});
  on_transition(hit);
}

void Tracker::on_connecting(const Hit& hit) {
  const bool late = is_late(hit.record, hit.row);
  Socket socket = current(hit);
  if (!late) {
    socket.state = State::syn_sent;
    loose_.erase(hit.key);
    timewait_.erase(hit.key);  // of its last connection, with the descriptor still open
  }
  socket.opened_ns = hit.record.time_ns;
  socket.since_is_bound = false;
  socket.inbound = false;
  Event connecting = event(EventKind::tcp_connect, hit.record, std::move(socket));
  connecting.previous = State::close;
  connecting.gone = !options_.connections && !late;
  add_owner(connecting.socket, connecting.process, hit.record.task.fd);
  if (is_released(hit.key)) mark_exited(connecting.socket);
  emit(std::move(connecting));
}

// connect() failed before SYN_SENT, for want of a route, a permission or an address: nothing has changed.
void Tracker::on_unsent_connect(const Hit& hit) {
  Socket socket = current(hit);
  if (hit.row == nullptr || hit.row->state == State::close) socket.peer = hit.record.socket.peer;
  if (hit.row == nullptr) socket.state = State::close;
  Event failed = event(EventKind::tcp_connect_failed, hit.record, std::move(socket));
  failed.previous = State::close;
  failed.error = hit.record.error;
  failed.gone = hit.row == nullptr;
  add_owner(failed.socket, failed.process, failed.fd);
  emit(std::move(failed));
}

// What the states do not tell: SYN_SENT is announced before the port is chosen.
void Tracker::on_stream_connect(const Hit& hit) {
  if (hit.record.error != EINPROGRESS) return on_unsent_connect(hit);
  if (hit.row == nullptr || hit.row->state != State::syn_sent || hit.row->local.port != 0) return;
  if (hit.record.new_state != State::syn_sent) return;
  Event known = event(EventKind::tcp_state, hit.record, current(hit));
  known.previous = State::syn_sent;
  add_owner(known.socket, known.process, hit.record.task.fd);
  emit(std::move(known));
}

// The owners of the listener that has received a connection; nobody when a group of listeners shares them
// out.
void Tracker::adopt(Socket& child) const {
  if (has_known_owner(child)) return;
  child.no_owner = NoOwner::unaccepted;
  const Table::Listener listener =
      table_.find_listener(child.netns, child.protocol, child.family, child.local);
  if (listener.socket != nullptr && listener.sole) inherit_owners(child, *listener.socket);
}

void Tracker::on_established(const Hit& hit) {
  const Record& record = hit.record;
  const bool late = is_late(record, hit.row);
  const bool outbound = record.old_state == State::syn_sent ||
                        (hit.row != nullptr && hit.row->state == State::syn_recv && !hit.row->inbound);
  Socket socket = current(hit);
  if (!late) socket.state = State::established;
  socket.inbound = !outbound;
  if (!outbound && (hit.row == nullptr || hit.row->since_is_bound)) {
    socket.opened_ns = record.time_ns;
    socket.since_is_bound = false;
  } else if (hit.row == nullptr) {
    socket.since_is_bound = true;  // its connect() was not seen
  }
  if (!outbound) {
    settle_candidates_on(socket);
    adopt(socket);
  }
  if (is_released(hit.key)) mark_exited(socket);

  if (!late) timewait_.erase(hit.key);  // a connection request that a dump has shown
  make_way(socket, record.time_ns);
  Event established = event(EventKind::tcp_established, record, std::move(socket));
  established.previous = record.old_state;
  emit(std::move(established));
}

// A new connection with the addresses of a mini-socket ends it: tcp_tw_reuse, or a new SYN to a server.
void Tracker::make_way(const Socket& connected, uint64_t now_ns) {
  const std::optional<SocketKey> holder = timewait_.with_tuple(tuple_hash(connected));
  if (!holder || *holder == connected.key) return;
  const Socket* row = table_.find(*holder);
  if (row != nullptr && same_tuple(*row, connected)) end_mini(*holder, now_ns);
}

// A FIN_WAIT2 mini-socket becomes TIME_WAIT without telling, or ends when it is sent a reset, or data that it
// answers by one. When the other end is on this host, its own end tells which.
void Tracker::other_end_closed(const Socket& closed, bool in_order, uint64_t now_ns) {
  const std::optional<SocketKey> other = timewait_.with_tuple(reverse_tuple_hash(closed));
  if (!other || *other == closed.key) return;
  const Socket* row = table_.find(*other);
  if (row == nullptr || row->state != State::fin_wait_2) return;
  if (!in_order) return end_mini(*other, now_ns);
  Event waiting;
  waiting.kind = EventKind::tcp_state;
  waiting.time_ns = now_ns;
  waiting.socket = *row;
  waiting.socket.state = State::time_wait;
  waiting.socket.changed_ns = now_ns;
  waiting.previous = State::fin_wait_2;
  timewait_.put(waiting.socket, now_ns + kTimeWait_ns, timewait_.find(*other)->close);
  emit(std::move(waiting));
}

void Tracker::on_transition(const Hit& hit) {
  if (is_late(hit.record, hit.row)) return;
  const bool mini =
      timewait_.find(hit.key) != nullptr && hit.row != nullptr && hit.row->state != State::syn_recv;
  if (mini) return;  // a dump has shown already what this led to
  Socket socket = current(hit);
  socket.state = hit.record.new_state;
  if (hit.row == nullptr) socket.since_is_bound = true;
  Event changed = event(EventKind::tcp_state, hit.record, std::move(socket));
  changed.previous = hit.record.old_state;
  credit(changed);
  emit(std::move(changed));
}

void Tracker::on_close(const Hit& hit) {
  const Record& record = hit.record;
  if (hit.row == nullptr && record.old_state == State::syn_recv) {
    ended_.add(hit.key, record.time_ns, true, false);
    return;
  }
  if (const Timewait::Entry* mini = timewait_.find(hit.key);
      mini != nullptr && mini->close == Timewait::Close::told)
    return;
  if (hit.row != nullptr && hit.row->state == State::close && record.old_state == State::listen) return;

  Socket socket = current(hit);
  if (hit.row == nullptr) socket.opened_ns = 0;  // unknown, not now
  const bool failed = record.old_state == State::syn_sent;
  Event closed =
      event(failed ? EventKind::tcp_connect_failed : EventKind::tcp_closed, record, std::move(socket));
  closed.previous = record.old_state;
  closed.error = record.error;
  const bool no_port = closed.socket.local.port == 0 && closed.socket.protocol == IPPROTO_TCP;
  const bool port_refused = record.gave_up && closed.socket.options.port_locked;
  if (failed && record.error == 0 && (no_port || port_refused)) {
    // inet_hash_connect() found no port, or a connection that has the same two ends as this one with the port that bind()
    // chose; it leaves nothing in sk_err. (An MPTCP socket has its port and error from its subflow, whose failure is told
    // by itself.)
    closed.error = EADDRNOTAVAIL;
    closed.error_inferred = true;
  }
  if (record.has_stats && !failed && record.old_state != State::listen) closed.stats = record.stats;
  credit(closed);

  timewait_.erase(hit.key);
  const Socket& last = closed.socket;
  // A port that bind() chose stays with the socket until its last descriptor is closed.
  const bool stays_bound =
      options_.ends_are_seen && last.options.port_locked && last.local.port != 0 && !is_released(hit.key);
  closed.socket.state = State::close;
  if (record.has_mini && timewait_.count(last.netns) < options_.max_timewait) {
    closed.socket.state = record.mini_state;
    if (!is_released(hit.key)) idle_.keep(closed.socket);
    mark_exited(closed.socket);
    timewait_.put(closed.socket, record.time_ns + kTimeWait_ns, Timewait::Close::told);
    if (stays_bound) timewait_.note_bound(hit.key);
  } else {
    closed.gone = !stays_bound;
  }
  const bool acknowledged = record.old_state == State::last_ack && record.error == 0;
  const bool had_peer = !timewait_.empty() && (acknowledged || record.old_state == State::close_wait);
  const Socket ended = had_peer ? closed.socket : Socket();
  end(std::move(closed));
  if (had_peer) other_end_closed(ended, acknowledged, record.time_ns);
}

void Tracker::on_accept(const Hit& hit) {
  const Record& record = hit.record;
  Socket socket = current(hit);
  const bool ended = hit.row == nullptr && (is_over(hit) || record.new_state == State::close);
  if (hit.row == nullptr) {
    socket.state = record.new_state == State::none ? State::established : record.new_state;
    socket.since_is_bound = true;
  }
  socket.inbound = true;
  socket.no_owner = NoOwner::unknown;
  Event accepted = event(EventKind::tcp_accept, record, std::move(socket));
  add_owner(accepted.socket, accepted.process, record.task.fd);
  if (is_released(hit.key)) mark_exited(accepted.socket);
  accepted.gone = ended;
  emit(std::move(accepted));
}

}  // namespace socktrace

// The ends of sockets: the last descriptor closed, the socket destroyed, a mini-socket expired.
#include <netinet/in.h>

#include "core/tracker/owners.h"
#include "core/tracker/tracker.h"

namespace socktrace {
namespace {

// Whether a transition always follows the close() of the last descriptor.
bool closes_by_transition(State state) {
  switch (state) {
    case State::established:
    case State::syn_sent:
    case State::syn_recv:
    case State::close_wait:
    case State::listen:
      return true;
    default:
      return false;
  }
}

bool is_bound_only(State state) {
  return state == State::close || state == State::bound_inactive;
}

// What the end of a row is called, when no transition names it.
EventKind end_of(const Socket& row) {
  if (is_datagram(row)) return EventKind::udp_closed;
  if (!is_connection_oriented(row) || is_bound_only(row.state)) return EventKind::socket_closed;
  return row.state == State::syn_sent ? EventKind::tcp_connect_failed : EventKind::tcp_closed;
}

}  // namespace

// Completes and emits the event that ends a row, or a connection whose row stays.
void Tracker::end(Event&& closed) {
  Socket& socket = closed.socket;
  const bool released = is_released(socket.key);
  if (released) mark_exited(socket);
  if (socket.opened_ns != 0 && socket.opened_ns < closed.time_ns) {
    closed.lifetime_ns = closed.time_ns - socket.opened_ns;
    closed.lifetime_is_bound = socket.since_is_bound;
  }
  const auto loose = loose_.find(socket.key);
  if (loose != loose_.end()) {
    if (closed.error == 0) closed.error = loose->second.error;
    loose->second.error = 0;
  }
  if (closed.gone)
    forget(socket.key, closed.time_ns, released);
  else if (timewait_.find(socket.key) != nullptr)
    loose_.erase(socket.key);
  emit(std::move(closed));
}

// Ends a row without a record of its end.
void Tracker::end_silently_known(const SocketKey& key, EventKind kind, uint64_t now_ns, bool resync) {
  const Socket* row = table_.find(key);
  if (row == nullptr) return timewait_.erase(key);
  Event closed;
  closed.kind = kind;
  closed.time_ns = now_ns;
  closed.socket = *row;
  closed.socket.changed_ns = now_ns;
  closed.previous = row->state;
  closed.socket.state = State::close;
  closed.gone = true;
  closed.resync = resync;
  mark_exited(closed.socket);
  if (!is_connection_oriented(closed.socket)) loose_[key].released = true;
  end(std::move(closed));
}

void Tracker::end_mini(const SocketKey& key, uint64_t now_ns) {
  const Timewait::Entry* entry = timewait_.find(key);
  const bool owed = entry != nullptr && entry->close == Timewait::Close::owed;
  const Socket* row = table_.find(key);
  if (row != nullptr && entry != nullptr && entry->leaves_bound && idle_.find(key) != nullptr)
    return leave_bound(*row, owed ? EventKind::tcp_closed : EventKind::tcp_state, now_ns);
  end_silently_known(key, owed ? EventKind::tcp_closed : EventKind::socket_closed, now_ns, false);
}

// The full socket whose connection it was still has its descriptor, and the port that bind() named.
void Tracker::leave_bound(const Socket& mini, EventKind kind, uint64_t now_ns) {
  Event left;
  left.kind = kind;
  left.time_ns = now_ns;
  left.socket = mini;
  left.socket.owners = *idle_.find(mini.key);
  left.socket.changed_ns = now_ns;
  left.socket.state = State::close;
  left.socket.peer = {};
  left.previous = mini.state;
  timewait_.erase(mini.key);
  emit(std::move(left));
}

// What listens for an MPTCP socket is a TCP one without a descriptor of its own.
void Tracker::release_subflow(const Socket& listener) {
  if (listener.protocol != kMptcp) return;
  const Table::Listener subflow =
      table_.find_listener(listener.netns, IPPROTO_TCP, listener.family, listener.local);
  if (subflow.socket == nullptr || subflow.socket->local != listener.local) return;
  const Loose of_listener = loose_[listener.key];
  loose_[subflow.socket->key] = of_listener;
}

void Tracker::on_release(const Hit& hit) {
  idle_.erase(hit.key);
  if (hit.row == nullptr) {
    // What was never told to be open is not told to be closed.
    ended_.add(hit.key, hit.record.time_ns, !is_connection_oriented(hit.record.socket), true);
    return;
  }
  if (timewait_.find(hit.key) != nullptr) return;

  const State state = hit.row->state;
  if (!is_connection_oriented(*hit.row) || is_bound_only(state)) {
    loose_[hit.key].released = true;
    Event closed = event(end_of(*hit.row), hit.record, Socket(*hit.row));
    credit(closed);
    // The last reference was dropped by a thread of the kernel or by ourselves: who has closed it is who alone had it.
    if (!closed.process && hit.row->owners.size() == 1) closed.process = hit.row->owners.front().process;
    closed.previous = state;
    closed.gone = true;
    closed.socket.state = State::close;
    return end(std::move(closed));
  }
  Loose& loose = loose_[hit.key];
  loose.released = true;
  if (closes_by_transition(state)) {
    if (hit.record.has_task) loose.closer = find_process_(hit.record.task);
    if (state == State::listen) release_subflow(*hit.row);
    return;
  }
  Event released = event(EventKind::socket_owner, hit.record, Socket(*hit.row));
  last_owner_is(released.socket, released.process, released.fd);
  if (mark_exited(released.socket)) emit(std::move(released));
}

void Tracker::on_destroy(const Hit& hit) {
  idle_.erase(hit.key);
  if (hit.row == nullptr) {
    ended_.add(hit.key, hit.record.time_ns, true, true);
    return;
  }
  if (timewait_.find(hit.key) != nullptr) return;  // the full socket is gone, its mini-socket is not
  loose_[hit.key].released = true;
  Event closed = event(end_of(*hit.row), hit.record, Socket(*hit.row));
  closed.previous = hit.row->state;
  closed.gone = true;
  closed.socket.state = State::close;
  end(std::move(closed));
}

// Ends a row that the kernel does not know any more.
void Tracker::end_missed(const SocketKey& key, uint64_t now_ns) {
  const Socket* row = table_.find(key);
  if (row == nullptr || row->changed_ns >= dump_ns_) return;
  if (timewait_.find(key) != nullptr) {
    ++counts_.ended;
    end_mini(key, now_ns);
  } else {
    ++(is_unix(*row) ? counts_.ended : counts_.ghosts);
    end_silently_known(key, end_of(*row), now_ns, true);
  }
}

}  // namespace socktrace

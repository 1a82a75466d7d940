#include "core/tracker/tracker.h"

#include <linux/in.h>

#include <algorithm>

namespace socktrace {
namespace {

constexpr uint16_t kMptcp = 262;

bool is_raw_or_ping(const Socket& socket) { return !is_tcp(socket) && !is_datagram(socket) && socket.protocol != IPPROTO_SCTP; }

}  // namespace

SocketKey key_of(const Record& record) {
  const SocketKey& key = record.socket.key;
  if (record.socket.protocol == kMptcp || key.cookie == 0) return key;
  return {key.cookie, 0};
}

void mark_exited(Socket& socket) {
  socket.inode = 0;
  for (Owner& owner : socket.owners) owner.exited = true;
}

Socket Tracker::current(const Record& record) {
  const Socket& seen = record.socket;
  const Socket* row = table_.find(key_of(record));
  if (row == nullptr) {
    Socket socket = seen;
    socket.key = key_of(record);
    socket.opened_ns = record.time_ns;
    socket.changed_ns = record.time_ns;
    return socket;
  }
  Socket socket = *row;
  if (seen.local.port != 0) socket.local = seen.local;
  if (seen.peer.port != 0) socket.peer = seen.peer;
  if (seen.inode != 0) socket.inode = seen.inode;
  if (seen.uid != UINT32_MAX) socket.uid = seen.uid;
  if (seen.options.known) socket.options = seen.options;
  if (seen.ifindex != 0) socket.ifindex = seen.ifindex;
  if (seen.mark != 0) socket.mark = seen.mark;
  socket.changed_ns = record.time_ns;
  return socket;
}

Event Tracker::event(EventKind kind, const Record& record, Socket socket) {
  Event event;
  event.kind = kind;
  event.time_ns = record.time_ns;
  event.socket = std::move(socket);
  if (record.has_task) {
    event.process = find_process_(record.task);
    event.tid = record.task.tid;
    event.fd = record.task.fd;
  }
  return event;
}

void Tracker::emit(Event&& event) {
  table_.apply(event);
  sink_(std::move(event));
}

void Tracker::emit_close(EventKind kind, Event&& event) {
  event.kind = kind;
  if (event.socket.opened_ns != 0 && event.time_ns >= event.socket.opened_ns) {
    event.lifetime_ns = event.time_ns - event.socket.opened_ns;
    event.lifetime_is_bound = event.socket.since_is_bound;
  }
  emit(std::move(event));
}

void Tracker::add_owner(Socket& socket, const Record& record) {
  if (!record.has_task) return;
  ProcessRef process = find_process_(record.task);
  if (!process) return;
  // Inherited owners were a guess, and a descriptor that was opened anew is no longer a closed one.
  std::erase_if(socket.owners, [](const Owner& owner) { return owner.source == OwnerSource::inherited || owner.exited; });
  for (Owner& owner : socket.owners) {
    if (!same_process(*owner.process, *process)) continue;
    owner.process = std::move(process);
    if (record.task.fd >= 0) owner.fd = record.task.fd;
    return;
  }
  socket.owners.push_back({.process = std::move(process), .fd = record.task.fd, .source = OwnerSource::call});
}

void Tracker::inherit_owners(Socket& socket) {
  const Socket* listener = table_.find_listener(socket.netns, socket.protocol, socket.family, socket.local);
  socket.no_owner = NoOwner::unaccepted;
  if (listener == nullptr) return;
  for (const Owner& owner : listener->owners) socket.owners.push_back({.process = owner.process, .source = OwnerSource::inherited});
}

void Tracker::apply(const Record& record) {
  switch (record.kind) {
    case RecordKind::state:
      return on_state(record);
    case RecordKind::destroy:
      return on_destroy(record);
    case RecordKind::error:
      return;  // a transition to CLOSE carries its error itself
    case RecordKind::create:
      return on_create(record);
    case RecordKind::release:
      return on_release(record);
    case RecordKind::bind_attempt:
      return on_bind_attempt(record);
    case RecordKind::bind_ok:
    case RecordKind::bind:
      return on_bind(record);
    case RecordKind::listen:
      return on_listen(record);
    case RecordKind::accept:
      return on_accept(record);
    case RecordKind::connect:
      return on_connect(record);
    case RecordKind::send:
      return on_send(record);
  }
}

void Tracker::on_release(const Record& record) {
  const Socket* row = table_.find(key_of(record));
  Pending& pending = pending_[key_of(record)];
  if (pending.bind) bind_failed(*pending.bind, infer_bind_error(*pending.bind), true);
  pending.bind.reset();
  if (row == nullptr) {
    // What was never told to be open is not told to be closed. A connection may still be on its way to the table.
    if (!is_tcp(record.socket))
      pending_.erase(key_of(record));
    else
      pending.released = true;
    return;
  }

  Event closed = event(EventKind::socket_closed, record, *row);
  closed.previous = row->state;
  mark_exited(closed.socket);
  closed.socket.changed_ns = record.time_ns;
  if (is_datagram(*row)) {
    closed.gone = true;
    pending_.erase(key_of(record));
    emit_close(EventKind::udp_closed, std::move(closed));
  } else if (row->state == State::close || is_raw_or_ping(*row)) {
    closed.gone = true;
    pending_.erase(key_of(record));
    emit_close(EventKind::socket_closed, std::move(closed));
  } else {
    // The transition that follows in the same close() tells it; a half-closed connection makes none.
    pending.released = true;
    const bool half_closed = row->state == State::fin_wait_1 || row->state == State::fin_wait_2 ||
                             row->state == State::closing || row->state == State::last_ack;
    if (half_closed) {
      closed.kind = EventKind::socket_owner;
      emit(std::move(closed));
    }
  }
}

void Tracker::on_destroy(const Record& record) {
  const Socket* row = table_.find(key_of(record));
  pending_.erase(key_of(record));
  if (row == nullptr || row->state == State::time_wait) return;
  const bool mini = std::any_of(minis_.begin(), minis_.end(), [&](const Mini& m) { return m.key == row->key; });
  if (mini) return;  // the full socket is gone, its mini-socket is not
  Event closed = event(EventKind::socket_closed, record, *row);
  closed.previous = row->state;
  closed.gone = true;
  closed.socket.state = State::close;
  mark_exited(closed.socket);
  emit_close(row->state == State::close ? EventKind::socket_closed : EventKind::tcp_closed, std::move(closed));
}

void Tracker::on_connect(const Record& record) {
  if (record.error != 0) return;
  Socket socket = current(record);
  socket.state = State::established;
  add_owner(socket, record);
  emit(event(EventKind::udp_connect, record, std::move(socket)));
}

void Tracker::on_send(const Record& record) {
  if (table_.find(key_of(record)) != nullptr) return;
  Socket socket = current(record);
  socket.state = State::close;
  socket.peer = {};  // where it sent to is not whom it is connected with
  add_owner(socket, record);
  emit(event(EventKind::udp_open, record, std::move(socket)));
}

void Tracker::on_create(const Record& record) {
  Socket socket = current(record);
  socket.state = State::close;
  add_owner(socket, record);
  emit(event(EventKind::socket_seen, record, std::move(socket)));
}

void Tracker::tick(uint64_t now_ns) {
  constexpr uint64_t kListenSettles_ns = 1'000'000;  // a listen() that fails undoes CLOSE -> LISTEN within microseconds
  constexpr uint64_t kBindSettles_ns = 20'000'000;

  std::vector<SocketKey> settled;
  for (auto& [key, pending] : pending_) {
    if (pending.listen && pending.listen->time_ns + kListenSettles_ns <= now_ns) settled.push_back(key);
    else if (pending.bind && pending.bind->time_ns + kBindSettles_ns <= now_ns) settled.push_back(key);
  }
  for (const SocketKey& key : settled) {
    Pending& pending = pending_[key];
    if (pending.listen) {
      const Record record = *std::exchange(pending.listen, std::nullopt);
      if (pending.listen_undone)
        listen_failed(record, EADDRINUSE, true);
      else
        listening(record, false);
    }
    if (pending.bind) {
      const Record record = *std::exchange(pending.bind, std::nullopt);
      bind_failed(record, infer_bind_error(record), true);
    }
  }

  for (size_t i = 0; i < minis_.size();) {
    if (minis_[i].expires_ns > now_ns) {
      ++i;
      continue;
    }
    const SocketKey key = minis_[i].key;
    minis_[i] = minis_.back();
    minis_.pop_back();
    confirm_gone(key, now_ns);
  }
}

}  // namespace socktrace

// bind(): results, and what is inferred when a result cannot be seen.
#include <cerrno>

#include "core/tracker/tracker.h"

namespace socktrace {
namespace {

bool overlap(const Socket& a, const Socket& b) {
  if (is_wildcard(a.family, a.local.address) || is_wildcard(b.family, b.local.address)) return true;
  return a.family == b.family && a.local.address == b.local.address;
}

}  // namespace

void Tracker::on_bind(const Record& record) {
  if (const auto pending = pending_.find(key_of(record)); pending != pending_.end()) pending->second.bind.reset();
  if (record.error != 0) return bind_failed(record, record.error, false);

  Socket socket = current(record);
  socket.state = State::close;
  add_owner(socket, record);
  const bool datagram = is_datagram(socket);
  emit(event(datagram ? EventKind::udp_open : EventKind::bind_ok, record, std::move(socket)));
}

void Tracker::on_bind_attempt(const Record& record) {
  // IP_BIND_ADDRESS_NO_PORT with port 0 succeeds without post_bind: its absence says nothing.
  if (record.socket.local.port != 0) pending_[key_of(record)].bind = record;
}

void Tracker::bind_failed(const Record& record, int32_t error, bool inferred) {
  Event failed = event(EventKind::bind_failed, record, record.socket);
  failed.socket.key = key_of(record);
  failed.socket.state = State::close;
  failed.error = error;
  failed.error_inferred = inferred;
  emit(std::move(failed));
}

int32_t Tracker::infer_bind_error(const Record& record) const {
  const Socket* row = table_.find(key_of(record));
  if (row != nullptr && row->local.port != 0) return EINVAL;  // bound before
  constexpr uint16_t kFirstUnprivilegedPort = 1024;
  if (record.has_task && record.task.uid != 0 && record.socket.local.port < kFirstUnprivilegedPort) return EACCES;
  bool held = false;
  table_.for_each([&](const Socket& other) {
    held = held || (other.netns == record.socket.netns && is_tcp(other) == is_tcp(record.socket) &&
                    other.local.port == record.socket.local.port && overlap(other, record.socket));
  });
  return held ? EADDRINUSE : EADDRNOTAVAIL;
}

}  // namespace socktrace

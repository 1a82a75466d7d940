// bind(): results, and what is inferred when a result cannot be seen.
#include <linux/in.h>

#include <algorithm>
#include <cerrno>

#include "core/tracker/owners.h"
#include "core/tracker/tracker.h"

namespace socktrace {
namespace {

constexpr uint16_t kFirstUnprivilegedPort = 1024;

bool is_dual_stack_wildcard(const Socket& socket) {
  return socket.family == Family::inet6 && is_wildcard(socket.family, socket.local.address) &&
         !socket.options.v6_only;
}

// Whether two sockets on the same port can receive the same packets.
bool overlap(const Socket& a, const Socket& b) {
  const auto is_ipv4 = [](const Socket& s) {
    return s.family == Family::inet || is_v4_mapped(s.family, s.local.address);
  };
  if (is_dual_stack_wildcard(a) || is_dual_stack_wildcard(b)) return true;
  if (is_ipv4(a) != is_ipv4(b)) return false;
  const auto bytes = [](const Socket& s) {
    return s.local.address.begin() + (s.family == Family::inet ? 0 : 12);
  };
  if (!is_ipv4(a))
    return is_wildcard(a.family, a.local.address) || is_wildcard(b.family, b.local.address) ||
           a.local.address == b.local.address;
  const auto is_any = [&](const Socket& s) {
    return std::all_of(bytes(s), bytes(s) + 4, [](uint8_t x) { return x == 0; });
  };
  return is_any(a) || is_any(b) || std::equal(bytes(a), bytes(a) + 4, bytes(b));
}

}  // namespace

void Tracker::on_bind(const Hit& hit) {
  binds_.erase(hit.key);
  if (hit.record.kind == RecordKind::bind && hit.record.error != 0)
    return bind_failed(hit.key, hit.record, hit.record.error, false);
  if (!is_over(hit)) on_bound(hit);
}

void Tracker::on_bound(const Hit& hit) {
  const bool datagram = is_datagram(hit.record.socket);
  Socket socket = current(hit);
  if (hit.row == nullptr) {
    socket.state =
        is_unix(socket) && hit.record.new_state != State::none ? hit.record.new_state : State::close;
  } else if (socket.since_is_bound && socket.opened_ns <= hit.record.time_ns) {
    socket.opened_ns = hit.record.time_ns;
    socket.since_is_bound = false;
  }
  if (socket.peer.port == 0) socket.peer = {};  // IPv6 keeps the address of a peer it has left
  Event bound = event(datagram ? EventKind::udp_open : EventKind::bind_ok, hit.record, std::move(socket));
  const bool new_owner = add_owner(bound.socket, bound.process, hit.record.task.fd);
  if (datagram && hit.row != nullptr && !hit.row->since_is_bound) {
    bound.kind = EventKind::socket_owner;  // its connect() or send came first and has opened it
    if (!new_owner) return;
  }
  // IP_BIND_ADDRESS_NO_PORT: it has an address only, and is in no table of the kernel.
  if (hit.row == nullptr && is_connection_oriented(bound.socket) && bound.socket.local.port == 0)
    bound.gone = true;
  if (is_released(hit.key)) {
    mark_exited(bound.socket);
    bound.gone = hit.row == nullptr;  // its release came first, and nothing else will end it
  }
  emit(std::move(bound));
}

void Tracker::on_bind_attempt(const Hit& hit) {
  // IP_BIND_ADDRESS_NO_PORT with port 0 succeeds without post_bind: its absence says nothing.
  if (hit.record.socket.local.port != 0) binds_[hit.key] = hit.record;
}

void Tracker::bind_failed(const SocketKey& key, const Record& record, int32_t error, bool inferred) {
  Event failed = event(EventKind::bind_failed, record, Socket(record.socket));
  failed.socket.key = key;
  failed.socket.state = State::close;
  failed.socket.peer = {};
  failed.error = error;
  failed.error_inferred = inferred;
  add_owner(failed.socket, failed.process, record.task.fd);
  emit(std::move(failed));
}

// In the order of the kernel's own checks where they are certain; a port below 1024 may be allowed by a
// capability.
int32_t Tracker::infer_bind_error(const SocketKey& key, const Record& record) const {
  const Socket& wanted = record.socket;
  const Socket* row = table_.find(key);
  if (row != nullptr && row->local.port != 0) return EINVAL;
  bool held = false;
  table_.for_each_on_port(wanted.netns, wanted.protocol, wanted.local.port, [&](const Socket& other) {
    held = held || (other.key != key && overlap(other, wanted));
  });
  if (held) return EADDRINUSE;
  if (wanted.local.port < kFirstUnprivilegedPort && record.has_task && record.task.uid != 0) return EACCES;
  return EADDRNOTAVAIL;
}

void Tracker::settle_bind(const SocketKey& key) {
  const auto at = binds_.find(key);
  if (at == binds_.end()) return;
  const Record attempt = std::move(at->second);
  binds_.erase(at);
  bind_failed(key, attempt, infer_bind_error(key, attempt), true);
}

// A thread that does something else has its bind() behind it.
void Tracker::settle_binds_before(const Hit& hit) {
  const Record& record = hit.record;
  const bool ends_socket = record.kind == RecordKind::release || record.kind == RecordKind::destroy;
  const bool tells = record.kind == RecordKind::bind_ok || record.kind == RecordKind::bind;
  std::vector<SocketKey> over;
  for (const auto& [key, attempt] : binds_) {
    if (key == hit.key && tells) continue;
    const bool same_thread = record.has_task && attempt.has_task && record.task.tid == attempt.task.tid;
    if ((key == hit.key && ends_socket) || (same_thread && record.time_ns >= attempt.time_ns))
      over.push_back(key);
  }
  for (const SocketKey& key : over) settle_bind(key);
}

}  // namespace socktrace

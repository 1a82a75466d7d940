#include "core/tracker/tracker.h"

#include <linux/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "core/tracker/owners.h"

namespace socktrace {
namespace {

// Long enough for any disorder between processors and for two batches of records.
constexpr uint64_t kTombstone_ns = 2'000'000'000;

// A socket whose connection ended, but whose descriptor is open, can start again.
bool starts_again(const Record& record) {
  switch (record.kind) {
    case RecordKind::state:
      return record.old_state == State::close &&
             (record.new_state == State::syn_sent || record.new_state == State::listen);
    case RecordKind::bind:
    case RecordKind::bind_ok:
    case RecordKind::bind_attempt:
    case RecordKind::listen:
    case RecordKind::connect:
    case RecordKind::send:
      return true;
    default:
      return false;
  }
}

// Kernel addresses are used again at once, and accepted MPTCP sockets share their listener's cookie.
bool is_another(const Record& record) {
  return record.socket.key.sk != 0 &&
         (starts_again(record) || record.kind == RecordKind::create || record.kind == RecordKind::accept ||
          (record.kind == RecordKind::state && record.new_state == State::established));
}

// Its own name and whoever is at its other end; what connect() was given is for that call to tell.
void note_unix_ends(Socket& socket, const SocketDetails& seen) {
  SocketDetails& details = socket.details.make();
  if (!seen.name.empty()) details.name = seen.name;
  if (seen.peer_inode != 0) details.peer_inode = seen.peer_inode;
}

}  // namespace

bool is_connection_oriented(const Socket& socket) {
  if (socket.type == SOCK_RAW) return false;
  return is_tcp(socket) || socket.protocol == IPPROTO_SCTP || socket.protocol == IPPROTO_DCCP;
}

Tracker::Tracker(Table& table, FindProcess find_process, EventSink sink, TrackerOptions options)
    : table_(table),
      find_process_(std::move(find_process)),
      sink_(std::move(sink)),
      options_(options),
      identities_(table) {}

void Tracker::apply(const Record& record) {
  const SocketKey key = identities_.resolve(record.socket);
  if (!binds_.empty()) settle_binds_before({record, key, nullptr});
  if (!listens_.empty()) settle_candidates_before({record, key, nullptr});

  const Hit hit{record, key, table_.find(key)};
  switch (record.kind) {
    case RecordKind::state:
      return on_state(hit);
    case RecordKind::destroy:
      return on_destroy(hit);
    case RecordKind::error:
      // tcp_reset() reports after the transition to CLOSE: then it is in that record, and there may be no row
      // any more.
      if (hit.row != nullptr && is_connection_oriented(*hit.row) && hit.row->state != State::close)
        loose_[key].error = record.error;
      return;
    case RecordKind::create:
      return on_create(hit);
    case RecordKind::release:
      return on_release(hit);
    case RecordKind::bind_attempt:
      return on_bind_attempt(hit);
    case RecordKind::bind_ok:
    case RecordKind::bind:
      return on_bind(hit);
    case RecordKind::listen:
      return on_listen(hit);
    case RecordKind::accept:
      return on_accept(hit);
    case RecordKind::connect:
      return on_connect(hit);
    case RecordKind::send:
      return on_send(hit);
  }
}

// Announcements and attempts whose result has not come in time.
void Tracker::settle_overdue(uint64_t now_ns) {
  constexpr uint64_t kBindSettles_ns = 20'000'000;

  settle_overdue_candidates(now_ns);
  std::vector<SocketKey> settled;
  for (const auto& [key, attempt] : binds_)
    if (attempt.time_ns + kBindSettles_ns <= now_ns) settled.push_back(key);
  for (const SocketKey& key : settled) settle_bind(key);
}

void Tracker::tick(uint64_t now_ns) {
  settle_overdue(now_ns);
  if (now_ns > options_.timers_late_ns)
    while (const std::optional<SocketKey> key = timewait_.due(now_ns - options_.timers_late_ns))
      end_mini(*key, now_ns);

  if (now_ns > kTombstone_ns)
    ended_.forget_before(dumping_ ? std::min(dump_ns_, now_ns - kTombstone_ns) : now_ns - kTombstone_ns);
}

// Whether the record comes after the end of its socket, so that it must not bring it back.
bool Tracker::is_over(const Hit& hit) {
  const Tombstones::Stone* stone = ended_.find(hit.key);
  if (stone == nullptr || !stone->closed) return false;
  if (hit.record.time_ns < stone->time_ns) return true;
  if (!is_another(hit.record) && (stone->released || !starts_again(hit.record))) return true;
  ended_.erase(hit.key);
  return false;
}

bool Tracker::is_released(const SocketKey& key) const {
  if (const auto loose = loose_.find(key); loose != loose_.end() && loose->second.released) return true;
  const Tombstones::Stone* stone = ended_.find(key);
  return stone != nullptr && stone->released;
}

// The row brought up to date with what the record says of its socket, or a row made from it. The state is
// left to the caller.
Socket Tracker::current(const Hit& hit) const {
  const Socket& seen = hit.record.socket;
  if (hit.row == nullptr) {
    Socket socket = seen;
    socket.key = hit.key;
    socket.opened_ns = socket.changed_ns = hit.record.time_ns;
    if (const std::vector<Owner>* holders = idle_.find(hit.key)) socket.owners = *holders;
    return socket;
  }
  Socket socket = *hit.row;
  const bool late = hit.record.time_ns < socket.changed_ns;
  if (seen.local.port != 0 && (!late || socket.local.port == 0)) socket.local = seen.local;
  if (seen.peer.port != 0 && (!late || socket.peer.port == 0)) socket.peer = seen.peer;
  if (seen.uid != UINT32_MAX) socket.uid = seen.uid;
  if (late) return socket;
  if (seen.inode != 0) socket.inode = seen.inode;
  if (seen.options.known) socket.options = seen.options;
  if (seen.ifindex != 0) socket.ifindex = seen.ifindex;
  if (seen.mark != 0) socket.mark = seen.mark;
  if (seen.details) note_unix_ends(socket, *seen.details);
  socket.changed_ns = hit.record.time_ns;
  return socket;
}

Event Tracker::event(EventKind kind, const Record& record, Socket&& socket) const {
  Event event;
  event.kind = kind;
  event.time_ns = record.time_ns;
  event.socket = std::move(socket);
  if (record.has_task) {
    event.process = find_process_(record.task);
    event.tid = record.task.tid;
    event.fd = record.task.fd;
    if (event.socket.cgroup_id == 0) event.socket.cgroup_id = record.task.cgroup_id;
  }
  return event;
}

// Who did it held the socket then, even if whoever counted its holders before did not know; and alone, when it was
// the close() of the last descriptor.
void Tracker::credit(Event& event) const {
  if (!is_released(event.socket.key)) {
    add_owner(event.socket, event.process, event.fd);
    return;
  }
  const auto loose = loose_.find(event.socket.key);
  const bool known = loose != loose_.end() && loose->second.closer;
  last_owner_is(event.socket, known ? loose->second.closer : event.process, -1);
  mark_exited(event.socket);
}

void Tracker::emit(Event&& event) {
  table_.apply(event);
  if (const Socket* row = table_.find(event.socket.key))
    identities_.row_is(*row);
  else
    identities_.row_ends(event.socket.key);
  const bool may_start_again = event.gone && options_.ends_are_seen && !is_released(event.socket.key);
  if (may_start_again && !is_unix(event.socket) && !all_exited(event.socket)) idle_.keep(event.socket);
  sink_(std::move(event));
}

// After the row has ended.
void Tracker::forget(const SocketKey& key, uint64_t now_ns, bool released) {
  loose_.erase(key);
  listens_.erase(key);
  timewait_.erase(key);
  ended_.add(key, now_ns, true, released);
}

}  // namespace socktrace

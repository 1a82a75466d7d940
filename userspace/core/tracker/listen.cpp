// listen(): candidates and results.
#include <cerrno>

#include "core/tracker/owners.h"
#include "core/tracker/tracker.h"

namespace socktrace {
namespace {

// A listen() that fails undoes CLOSE -> LISTEN within microseconds, unless its processor is taken from it: where a
// result will come, that is waited for. Results can be lost.
constexpr uint64_t kWindow_ns = 1'000'000;
constexpr uint64_t kAwaited_ns = 1'000'000'000;

uint64_t deadline(const Record& announced) {
  return announced.time_ns + (announced.is_awaited ? kAwaited_ns : kWindow_ns);
}

}  // namespace

void Tracker::on_candidate(const Hit& hit) {
  const bool told = hit.row != nullptr && hit.row->state == State::listen;
  if (told && hit.record.time_ns <= hit.row->changed_ns) return;  // its result came first
  listens_[hit.key] = Candidate{hit.record, std::nullopt, false};
}

// LISTEN -> CLOSE. Returns whether it belongs to a listen() that failed, so that nothing was open to be
// closed.
bool Tracker::on_listen_undone(const Hit& hit) {
  const auto at = listens_.find(hit.key);
  if (at == listens_.end()) return false;
  Candidate& candidate = at->second;
  if (candidate.settled) {
    listens_.erase(at);
    return true;
  }
  if (hit.record.time_ns > deadline(candidate.record)) {
    settle_candidate(hit.key);  // it had listened, and was shut down
    return false;
  }
  candidate.undone = hit.record;  // the result, if one comes, tells the errno
  return true;
}

void Tracker::on_listen(const Hit& hit) {
  const auto at = listens_.find(hit.key);
  if (hit.record.error != 0) {
    listen_failed(hit, hit.record.error, false);
    if (at == listens_.end()) return;
    if (at->second.undone)
      listens_.erase(at);
    else
      at->second.settled = true;
    return;
  }
  if (is_over(hit)) return;
  std::optional<Record> undone;
  if (at != listens_.end()) {
    undone = std::move(at->second.undone);
    listens_.erase(at);
  }
  listening(hit, true);
  // Another thread has shut it down before listen() returned.
  if (undone) on_close({*undone, hit.key, table_.find(hit.key)});
}

void Tracker::listening(const Hit& hit, bool has_result) {
  const bool again = hit.row != nullptr && hit.row->state == State::listen;
  const bool late = hit.row != nullptr && hit.record.time_ns < hit.row->changed_ns;
  if (late && !again) return;  // it was told by its announcement, and has been shut down since
  Socket socket = current(hit);
  if (!again) {
    socket.opened_ns = hit.record.time_ns;
    socket.since_is_bound = false;
  }
  socket.state = State::listen;
  socket.peer = {};
  if (has_result || hit.record.backlog != 0) socket.send_q = hit.record.backlog;
  const bool new_backlog = again && socket.send_q != hit.row->send_q;
  Event opened = event(again ? EventKind::tcp_state : EventKind::tcp_listen, hit.record, std::move(socket));
  opened.previous = again ? State::listen : State::close;
  const bool new_owner = add_owner(opened.socket, opened.process, hit.record.task.fd);
  if (is_released(hit.key)) mark_exited(opened.socket);
  if (!again || new_backlog || new_owner) emit(std::move(opened));
}

void Tracker::listen_failed(const Hit& hit, int32_t error, bool inferred) {
  Socket socket = hit.record.socket;
  socket.key = hit.key;
  if (socket.local.port == 0) {
    const auto candidate = listens_.find(hit.key);
    if (candidate != listens_.end())
      socket.local = candidate->second.record.socket.local;
    else if (hit.row != nullptr)
      socket.local = hit.row->local;
  }
  socket.state = State::close;
  Event failed = event(EventKind::listen_failed, hit.record, std::move(socket));
  add_owner(failed.socket, failed.process, hit.record.task.fd);
  failed.error = error;
  failed.error_inferred = inferred;
  emit(std::move(failed));
}

// No result will come (io_uring, 32-bit callers, no hooks for results): what the transitions tell has to do.
void Tracker::settle_candidate(const SocketKey& key) {
  const auto at = listens_.find(key);
  if (at == listens_.end()) return;
  const Candidate candidate = std::move(at->second);
  listens_.erase(at);
  if (candidate.settled) return;
  const Hit hit{candidate.record, key, table_.find(key)};
  if (!candidate.undone) return listening(hit, false);
  const Record& undone = *candidate.undone;
  if (undone.time_ns <= candidate.record.time_ns + kWindow_ns) return listen_failed(hit, EADDRINUSE, true);
  listening(hit, false);  // its result was lost
  on_close({undone, key, table_.find(key)});
}

// A socket that does something else, or a thread that has returned from another call, has its listen() behind it. An
// MPTCP socket's result is the only one for its subflow too.
void Tracker::settle_candidates_before(const Hit& hit) {
  const Record& record = hit.record;
  const bool tells = record.kind == RecordKind::listen || record.kind == RecordKind::error ||
                     (record.kind == RecordKind::state && record.old_state == State::listen);
  std::vector<SocketKey> over;
  for (auto& [key, candidate] : listens_) {
    Record& announced = candidate.record;
    const bool returned = record.has_result && announced.is_awaited &&
                          record.task.tid == announced.task.tid && record.time_ns >= announced.time_ns;
    if (key == hit.key ? tells : !returned) continue;
    over.push_back(key);
    const bool subflow = record.kind == RecordKind::listen && record.socket.protocol == kMptcp &&
                         record.socket.local == announced.socket.local;
    if (subflow) announced.backlog = record.backlog;
  }
  for (const SocketKey& key : over) settle_candidate(key);
}

void Tracker::settle_overdue_candidates(uint64_t now_ns) {
  std::vector<SocketKey> overdue;
  for (const auto& [key, candidate] : listens_)
    if (deadline(candidate.record) <= now_ns) overdue.push_back(key);
  for (const SocketKey& key : overdue) settle_candidate(key);
}

// Who has received a connection listens, whether or not its listen() has returned.
void Tracker::settle_candidates_on(const Socket& child) {
  std::vector<SocketKey> listening;
  for (const auto& [key, candidate] : listens_) {
    const Socket& socket = candidate.record.socket;
    if (!candidate.undone && socket.netns == child.netns && socket.local.port == child.local.port)
      listening.push_back(key);
  }
  for (const SocketKey& key : listening) settle_candidate(key);
}

}  // namespace socktrace

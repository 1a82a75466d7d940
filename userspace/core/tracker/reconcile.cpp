// The table against a dump of the kernel's sockets.
#include <algorithm>

#include "core/tracker/tracker.h"

namespace socktrace {
namespace {

bool same_owners(const std::vector<Owner>& a, const std::vector<Owner>& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const Owner& owner) {
           return std::any_of(b.begin(), b.end(), [&](const Owner& other) {
             return same_process(*owner.process, *other.process) && owner.fd == other.fd;
           });
         });
}

// What the table has learned and a dump cannot know stays.
Socket merged(const Socket& row, Socket&& dumped) {
  dumped.opened_ns = row.opened_ns;
  dumped.since_is_bound = row.since_is_bound;
  dumped.inbound = row.inbound;
  if (!dumped.options.known && row.options.known) dumped.options = row.options;
  if (dumped.owners.empty() || (dumped.inode == 0 && !row.owners.empty())) {
    dumped.owners = row.owners;
    if (dumped.inode == 0 && dumped.state != State::established)
      for (Owner& owner : dumped.owners) owner.exited = owner.exited || owner.source != OwnerSource::inherited;
  }
  return std::move(dumped);
}

bool is_mini(const Socket& socket) {
  return socket.state == State::time_wait || (socket.state == State::fin_wait_2 && socket.inode == 0);
}

}  // namespace

void Tracker::begin_dump(uint64_t now_ns, bool resync) {
  dump_ns_ = now_ns;
  resync_ = resync;
  dumped_.clear();
  counts_ = {};
}

void Tracker::dump_row(Socket&& dumped) {
  if (!dumped_.insert(dumped.key).second) return;  // dumps of a busy host repeat sockets
  ++counts_.rows;
  const Socket* row = table_.find(dumped.key);
  dumped.changed_ns = dump_ns_;

  Event found;
  found.time_ns = dump_ns_;
  found.resync = resync_;
  if (row == nullptr) {
    ++counts_.missing;
    found.kind = EventKind::socket_seen;
    dumped.opened_ns = dump_ns_;
    dumped.since_is_bound = true;
    if (dumped.inode == 0 && dumped.owners.empty() && dumped.state == State::established) inherit_owners(dumped);
  } else if (row->state != dumped.state) {
    if (!is_mini(dumped)) ++counts_.wrong_state;
    found.kind = EventKind::tcp_state;
    found.previous = row->state;
    dumped = merged(*row, std::move(dumped));
  } else if (!dumped.owners.empty() && !same_owners(row->owners, dumped.owners)) {
    ++counts_.wrong_owner;
    found.kind = EventKind::socket_owner;
    dumped = merged(*row, std::move(dumped));
  } else {
    return;
  }
  found.socket = std::move(dumped);
  if (is_mini(found.socket) && std::none_of(minis_.begin(), minis_.end(), [&](const Mini& m) { return m.key == found.socket.key; }))
    minis_.push_back({found.socket.key, dump_ns_ + 60'000'000'000});
  emit(std::move(found));
}

std::vector<Socket> Tracker::suspects(const DumpScope& scope) const {
  std::vector<Socket> suspects;
  table_.for_each([&](const Socket& row) {
    if (row.netns != scope.netns || dumped_.contains(row.key)) return;
    if (scope.covers && !scope.covers(row)) return;
    suspects.push_back(row);
  });
  return suspects;
}

void Tracker::confirm_gone(const SocketKey& key, uint64_t now_ns) {
  const Socket* row = table_.find(key);
  if (row == nullptr) return;
  Event closed;
  closed.kind = EventKind::socket_closed;
  closed.time_ns = now_ns;
  closed.previous = row->state;
  closed.socket = *row;
  closed.gone = true;
  if (is_mini(*row)) {
    ++counts_.ended;
  } else {
    ++counts_.ghosts;
    closed.resync = true;
    closed.kind = is_tcp(*row) ? EventKind::tcp_closed : is_datagram(*row) ? EventKind::udp_closed : EventKind::socket_closed;
  }
  closed.socket.state = State::close;
  mark_exited(closed.socket);
  pending_.erase(key);
  std::erase_if(minis_, [&](const Mini& mini) { return mini.key == key; });
  emit_close(closed.kind, std::move(closed));
}

ReconcileCounts Tracker::finish_dump(uint64_t now_ns) {
  dumped_.clear();
  if (!first_dump_done_) {
    first_dump_done_ = true;
    Event done;
    done.kind = EventKind::snapshot_done;
    done.time_ns = now_ns;
    emit(std::move(done));
  }
  return std::exchange(counts_, {});
}

}  // namespace socktrace

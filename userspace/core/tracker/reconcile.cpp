// The table against a dump of the kernel's sockets.
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "core/tracker/owners.h"
#include "core/tracker/tracker.h"

namespace socktrace {
namespace {

constexpr uint64_t kTimeWait_ns = 60'000'000'000;
constexpr uint64_t kRequest_ns = 64'000'000'000;  // tcp_synack_retries 5: 1 + 2 + 4 + 8 + 16 + 32 s
constexpr uint64_t kGrace_ns = 1'000'000'000;     // for a mini-socket that outlived what was known of its end

bool is_mini(const Socket& socket) {
  return socket.state == State::time_wait || (socket.state == State::fin_wait_2 && socket.inode == 0);
}

// A connection request: the child is a request socket until the handshake is over. Fast Open children have an
// inode once they are accepted.
bool is_request(const Socket& socket) {
  return (socket.state == State::syn_recv || socket.state == State::new_syn_recv) && socket.inode == 0;
}

bool is_connection(const Socket& socket) {
  return is_connection_oriented(socket) && socket.peer.port != 0 && socket.state != State::listen &&
         socket.state != State::close;
}

bool waits_for_accept(const Socket& socket) {
  return socket.inode == 0 && socket.owners.empty() &&
         (is_request(socket) || socket.state == State::established || socket.state == State::close_wait);
}

// Its last descriptor was closed before the dump: what follows ends it.
bool is_orphan(const Socket& socket) {
  return is_connection_oriented(socket) && socket.inode == 0 && !is_mini(socket) && !is_request(socket) &&
         !waits_for_accept(socket);
}

bool is_bound_only(const Socket& socket) {
  return is_connection_oriented(socket) && socket.state == State::close;
}

// Both mean: bound, and nothing else.
State settled(State state) {
  return state == State::bound_inactive ? State::close : state;
}

// No dump of the kernel shows it, whatever it does.
bool is_undumpable(const Socket& socket) {
  return is_inet(socket) && socket.type == SOCK_DGRAM && !is_datagram(socket);  // ping
}

// Of an end without a port the kernel may still keep the address, and of a bound socket the last peer.
void drop_stale_peer(Socket& dumped) {
  const bool transport = is_connection_oriented(dumped) || is_datagram(dumped);
  if (transport &&
      (dumped.peer.port == 0 || (is_connection_oriented(dumped) && dumped.state == State::close)))
    dumped.peer = {};
}

// A descriptor of it must exist, but every process has been asked, and none has it.
bool is_nobodys(const Socket& dumped) {
  return dumped.owners.empty() && dumped.no_owner == NoOwner::kernel;
}

// SO_BINDTODEVICE tells no hook. (Raw sockets are also listed by /proc/net, which does not say.)
bool has_other_device(const Socket& row, const Socket& dumped) {
  const bool is_told = is_connection_oriented(dumped) || is_datagram(dumped);
  return is_told && !is_mini(dumped) && row.ifindex != dumped.ifindex;
}

// What the table has learned and a dump cannot know stays.
Socket merged(const Socket& row, Socket&& dumped, bool every_process_is_seen) {
  dumped.opened_ns = row.opened_ns;
  dumped.since_is_bound = row.since_is_bound;
  dumped.inbound = row.inbound;
  if (dumped.type == 0) dumped.type = row.type;
  if (dumped.uid == UINT32_MAX) dumped.uid = row.uid;
  if (dumped.cgroup_id == 0) dumped.cgroup_id = row.cgroup_id;
  if (!dumped.options.known && row.options.known) dumped.options = row.options;
  if (is_mini(dumped)) {
    if (dumped.ifindex == 0) dumped.ifindex = row.ifindex;
    if (dumped.mark == 0) dumped.mark = row.mark;
  }
  if (!details_of(row).peer_name.empty() && dumped.state == row.state)
    dumped.details.make().peer_name = row.details->peer_name;
  if (!dumped.owners.empty()) return std::move(dumped);
  // Nobody has it open; unless nobody had it open yet.
  const bool ownerless = dumped.inode == 0 || (every_process_is_seen && is_nobodys(dumped));
  dumped.owners = row.owners;
  dumped.no_owner = row.no_owner;
  if (ownerless && has_known_owner(dumped)) mark_exited(dumped);
  return std::move(dumped);
}

// Unix sockets have names for ends.
bool has_other_ends(const Socket& row, const Socket& dumped) {
  return row.local != dumped.local || has_other_device(row, dumped) ||
         (row.peer != dumped.peer && dumped.state != State::listen) ||
         (is_unix(row) && details_of(row).name != details_of(dumped).name);
}

EventKind kind_of_change(const Socket& row, const Socket& dumped) {
  if (is_datagram(dumped))
    return dumped.state == State::established ? EventKind::udp_connect : EventKind::socket_seen;
  if (!is_connection_oriented(dumped)) return EventKind::socket_seen;
  // FIN_WAIT2 without inode may also be a full socket whose descriptor is closed, when tcp_fin_timeout is
  // long.
  const bool ended = dumped.state == State::time_wait || dumped.state == State::close;
  if (ended && row.state == State::syn_sent) return EventKind::tcp_connect_failed;
  if (ended && row.state != State::close) return EventKind::tcp_closed;
  return EventKind::tcp_state;
}

}  // namespace

void Tracker::begin_dump(uint64_t started_ns, bool resync) {
  begin_partial_dump(started_ns, resync);
  previous_dump_ns_ = std::exchange(whole_dump_ns_, started_ns);
  suspected_before_ = std::exchange(suspected_, {});
}

void Tracker::begin_partial_dump(uint64_t started_ns, bool resync) {
  settle_overdue(started_ns);
  dumping_ = true;
  dump_ns_ = started_ns;
  resync_ = resync;
  counts_ = {};
  dumped_.clear();
  rows_.clear();
  bound_rows_.clear();
}

// Rows of the first dump that are news come before what is told of them. All others wait: the records that
// were held while the dump was read explain most of what differs.
void Tracker::dump_row(Socket&& dumped, uint64_t expires_ns) {
  dumped.key = identities_.resolve(dumped);
  dumped.state = settled(dumped.state);
  drop_stale_peer(dumped);
  dumped.changed_ns = dump_ns_;
  if (is_bound_only(dumped)) return bound_rows_.push_back(std::move(dumped));
  if (!dumped_.insert(dumped.key).second) return;
  ++counts_.rows;
  if (!first_dump_done_ && table_.find(dumped.key) == nullptr) return discover(std::move(dumped), expires_ns);
  rows_.emplace_back(std::move(dumped), expires_ns);
}

void Tracker::settle_rows() {
  // A bound socket may be what is left behind a mini-socket of its last connection, which has its cookie: that is the row.
  std::vector<Socket> behind;
  for (Socket& bound : std::exchange(bound_rows_, {})) {
    if (!dumped_.insert(bound.key).second) {
      behind.push_back(std::move(bound));
      continue;
    }
    ++counts_.rows;
    rows_.emplace_back(std::move(bound), 0);
  }
  for (auto& [dumped, expires_ns] : std::exchange(rows_, {})) {
    if (const auto at = listens_.find(dumped.key); at != listens_.end()) {
      const Candidate& candidate = at->second;
      const bool listens = dumped.state == State::listen && !candidate.undone && !candidate.settled;
      if (!listens) continue;  // its result is on its way
      settle_candidate(dumped.key);
    }
    const Socket* row = table_.find(dumped.key);
    if (row == nullptr)
      discover(std::move(dumped), expires_ns);
    else if (row->changed_ns >= dump_ns_)
      complete(*row, std::move(dumped));
    else
      correct(*row, std::move(dumped), expires_ns);
  }
  for (const Socket& bound : behind)
    if (timewait_.note_bound(bound.key)) idle_.keep(bound);
}

void Tracker::discover(Socket&& dumped, uint64_t expires_ns) {
  const Tombstones::Stone* stone = ended_.find(dumped.key);
  if (stone != nullptr && stone->closed && stone->time_ns >= dump_ns_) return;
  if (!is_request(dumped) && !is_unix(dumped)) ++counts_.missing;
  if (is_orphan(dumped) || is_released(dumped.key)) {
    loose_[dumped.key].released = true;
    mark_exited(dumped);
  }
  dumped.opened_ns = dump_ns_;
  dumped.since_is_bound = true;
  if (is_connection(dumped)) {
    const Table::Listener listener =
        table_.find_listener(dumped.netns, dumped.protocol, dumped.family, dumped.local);
    dumped.inbound = listener.socket != nullptr || is_request(dumped);
    if (dumped.inbound && waits_for_accept(dumped)) adopt(dumped);
  }
  if (is_connection_oriented(dumped) && (is_mini(dumped) || is_request(dumped))) {
    const uint64_t longest = dump_ns_ + (is_mini(dumped) ? kTimeWait_ns : kRequest_ns);
    timewait_.put(dumped, expires_ns != 0 ? expires_ns : longest, Timewait::Close::unseen);
  }
  Event seen;
  seen.kind = EventKind::socket_seen;
  seen.time_ns = dump_ns_;
  seen.resync = resync_;
  seen.socket = std::move(dumped);
  ended_.erase(seen.socket.key);  // it ended before the dump began, or so it seemed
  emit(std::move(seen));
}

// The row is newer than the dump: it only gets what it lacks.
void Tracker::complete(const Socket& row, Socket&& dumped) {
  if (dumped.owners.empty() || has_known_owner(row)) return;
  Event found;
  found.kind = EventKind::socket_owner;
  found.time_ns = dump_ns_;
  found.resync = resync_;
  found.socket = row;
  found.socket.owners = std::move(dumped.owners);
  if (found.socket.inode == 0) found.socket.inode = dumped.inode;
  if (is_released(row.key)) mark_exited(found.socket);
  emit(std::move(found));
}

void Tracker::correct(const Socket& row, Socket&& dumped, uint64_t expires_ns) {
  const Timewait::Entry* timed = timewait_.find(row.key);
  const bool mini = is_connection_oriented(dumped) && is_mini(dumped);
  const bool was_mini = timed != nullptr && is_mini(row);
  if (timed != nullptr && (mini || is_request(dumped)) && row.state == dumped.state) {
    const uint64_t expires = expires_ns != 0 ? expires_ns : std::max(timed->expires_ns, dump_ns_ + kGrace_ns);
    timewait_.put(row, expires, timed->close);
    return;
  }

  Event found;
  found.time_ns = dump_ns_;
  found.resync = resync_;
  const bool other_state = row.state != dumped.state;
  const bool other_ends = has_other_ends(row, dumped);
  const bool other_backlog = row.state == State::listen && dumped.send_q != row.send_q;
  table_.set_queues(row.key, dumped.recv_q, dumped.send_q);
  if (is_unix(row)) table_.set_peer_inode(row.key, details_of(dumped).peer_inode);
  Socket now = merged(row, std::move(dumped), options_.every_process_is_seen);
  const bool other_holders = !same_holders(row, now);
  // What was released a moment ago is told by its transition.
  const bool exited = all_exited(now) != all_exited(row) && !is_released(row.key);
  const bool expected = was_mini && (mini || is_bound_only(now));  // nothing tells these
  if (other_state || other_ends) {
    if (expected && !mini)
      ++counts_.ended;
    else if (other_state && !expected && !is_unix(row))
      ++counts_.wrong_state;
    const bool owed = timed != nullptr && timed->close == Timewait::Close::owed;
    found.kind = expected && (mini || !owed) ? EventKind::tcp_state : kind_of_change(row, now);
    found.previous = row.state;
  } else if (other_holders || exited || !same_owners(row, now) ||
             (!has_known_owner(row) && has_known_owner(now))) {
    found.kind = EventKind::socket_owner;
  } else if (other_backlog) {
    found.kind = EventKind::tcp_state;
    found.previous = State::listen;
  } else {
    return;
  }
  const bool left =
      exited && now.inode != 0;  // closed by its owner, but open elsewhere: on its way to somebody
  if (has_known_owner(row) && (other_holders || left)) ++counts_.wrong_owner;

  found.socket = std::move(now);
  const bool ends = found.kind == EventKind::tcp_closed || found.kind == EventKind::tcp_connect_failed;
  if (mini) {
    const Timewait::Close close = ends       ? Timewait::Close::told
                                  : was_mini ? timed->close
                                             : Timewait::Close::owed;
    timewait_.put(found.socket, expires_ns != 0 ? expires_ns : dump_ns_ + kTimeWait_ns, close);
  } else {
    timewait_.erase(row.key);
  }
  if (ends)
    end(std::move(found));
  else
    emit(std::move(found));
}

std::vector<Socket> Tracker::suspects(const DumpScope& scope) {
  settle_rows();
  std::vector<Socket> to_ask;
  table_.for_each([&](const Socket& row) {
    if (row.changed_ns >= dump_ns_ || dumped_.contains(row.key)) return;
    if (!scope.netns.contains(row.netns)) {
      if (row.netns != 0 && scope.has_vanished && scope.has_vanished(row.netns)) to_ask.push_back(row);
      return;
    }
    if (is_undumpable(row) || (scope.covers && !scope.covers(row))) return;
    // MPTCP: the cookie is the listener's too. A socket whose cookie was never generated is found by its addresses.
    const bool ambiguous = row.key.sk != 0 && row.key.cookie != 0;
    const bool unfindable = is_connection_oriented(row) ? row.state == State::close : !is_datagram(row);
    if (!ambiguous && (!unfindable || is_unix(row)))
      to_ask.push_back(row);
    else
      suspected_.insert(row.key);
  });
  return to_ask;
}

void Tracker::confirm_gone(const SocketKey& key, uint64_t now_ns) {
  confirmed_.emplace_back(key, now_ns);
}

ReconcileCounts Tracker::finish_dump(uint64_t now_ns) {
  settle_rows();
  for (const SocketKey& key : suspected_)
    if (const Socket* row = table_.find(key);
        row != nullptr && suspected_before_.contains(key) && row->changed_ns < previous_dump_ns_)
      confirmed_.emplace_back(key, now_ns);
  for (const auto& [key, time_ns] : std::exchange(confirmed_, {})) end_missed(key, time_ns);
  for (const SocketKey& key : suspected_)
    if (table_.find(key) != nullptr) ++counts_.unconfirmed;

  dumping_ = false;
  dumped_.clear();
  suspected_before_.clear();
  if (!first_dump_done_) {
    first_dump_done_ = true;
    Event done;
    done.kind = EventKind::snapshot_done;
    done.time_ns = now_ns;
    sink_(std::move(done));
  }
  return std::exchange(counts_, {});
}

}  // namespace socktrace

#include "source/comparison.h"

#include <algorithm>
#include <map>
#include <optional>

#include "sys/clock.h"
#include "sys/file.h"
#include "sys/procfs.h"

namespace socktrace::source {
namespace {

uint64_t expiry(const diag::Timer& timer) {
  return timer.is_timewait() ? sys::boottime_ns() + uint64_t{timer.expires_ms} * 1'000'000 : 0;
}

}  // namespace

Result<OwnerMap> Comparison::find_owners() {
  Result<OwnerMap> owners = owners_from([this](const std::function<void(const st_open_socket&)>& sink) {
    return live_.tracer().for_each_open_socket([&](const st_open_socket& socket) {
      namespaces_.note(socket);
      sink(socket);
    });
  });
  if (owners) return owners;
  Result<sys::Procfs> procfs = sys::Procfs::open();
  if (!procfs) return std::move(procfs.error());
  return scan_owners(*procfs);
}

Result<void> Comparison::apply_arrived() {
  return live_.catch_up([this](const Record& record) { apply(record); });
}

Result<void> Comparison::dump_one(const sys::NetNamespace& netns, std::vector<Dumped>& rows,
                                  diag::TableSet tables) {
  DumpRequest request;
  request.tables = tables;
  request.netns = netns.inode;
  request.connections = live_.tells_connections();
  const auto take = [&](diag::Row&& row) { rows.push_back({std::move(row.socket), expiry(row.timer)}); };
  return sys::in_netns(netns, [&]() -> Result<void> {
    const Result<diag::TableSet> dumped = dump_sockets(request, take);
    if (!dumped) return Error(dumped.error());
    unlisted_ |= *dumped;
    return {};
  });
}

// What cannot be read of others is passed over: they may have gone meanwhile, or be closed to us.
Result<void> Comparison::dump(const std::vector<sys::NetNamespace>& list, std::vector<Dumped>& rows,
                              diag::TableSet tables) {
  for (const sys::NetNamespace& netns : list) {
    const size_t before = rows.size();
    Result<void> dumped = dump_one(netns, rows, tables);
    if (dumped) {
      read_.insert(netns.inode);
      continue;
    }
    if (netns.own) return dumped;
    rows.resize(before);
    if (!sys::is_gone(dumped.error())) unread_.insert(netns.inode);
  }
  return {};
}

// Every namespace that is listed, then those that only a socket leads to.
Result<OwnerMap> Comparison::dump_all(std::vector<Dumped>& rows) {
  read_.clear();
  unread_.clear();
  unlisted_ = 0;
  if (!lists_bound_) lists_bound_ = lists_bound_inactive();
  if (Result<void> refreshed = namespaces_.refresh(); !refreshed) return std::move(refreshed.error());
  (void)namespaces_.take_new();
  if (Result<void> dumped = dump(namespaces_.list(), rows); !dumped) return std::move(dumped.error());
  Result<OwnerMap> owners = find_owners();
  if (!owners) return owners;
  if (Result<void> dumped = dump(namespaces_.take_new(), rows); !dumped) return std::move(dumped.error());
  return owners;
}

void Comparison::take_rows(std::vector<Dumped>&& rows, const OwnerMap& owners) {
  for (auto& [socket, expires_ns] : rows) {
    // /proc/net/raw, on kernels without raw_diag, has no cookies; whoever holds the descriptor tells.
    if (const auto holders = owners.find(socket.inode, 0); socket.key.cookie == 0 && !holders.empty())
      socket.key = {holders.front().cookie, 0};
    attribute(socket, owners, describe_);
    tracker_.dump_row(std::move(socket), expires_ns);
  }
  tracker_.update_idle([&](Socket& socket) { attribute(socket, owners, describe_); });
}

// Sockets do not outlive their namespace, but one that a process still holds keeps it alive.
void Comparison::confirm_vanished(const std::vector<Socket>& suspects, const OwnerMap& owners) {
  for (const Socket& suspect : suspects)
    if (owners.find(suspect.inode, suspect.key.cookie).empty())
      tracker_.confirm_gone(suspect.key, sys::boottime_ns());
}

bool Comparison::is_dumped(const Socket& row) const {
  if (unlisted_ & diag::bit(diag::table_of(row))) return false;
  if (is_tcp(row) && !live_.tells_connections()) return row.state == State::listen;
  return *lists_bound_ || !is_connection_oriented(row) || row.state != State::close;
}

DumpScope Comparison::dumped_scope() const {
  DumpScope scope{read_, [this](const Socket& row) { return is_dumped(row); }};
  if (namespaces_.is_all()) scope.has_vanished = [this](uint32_t netns) { return !unread_.contains(netns); };
  return scope;
}

// What the dump did not show may have been missed by it: ask for each, where it is.
void Comparison::confirm_suspects(const DumpScope& scope, const OwnerMap& owners) {
  std::map<uint32_t, std::vector<Socket>> suspects;
  for (Socket& suspect : tracker_.suspects(scope)) suspects[suspect.netns].push_back(std::move(suspect));
  for (const auto& [inode, there] : suspects) {
    const sys::NetNamespace* netns = read_.contains(inode) ? namespaces_.find(inode) : nullptr;
    Error entered;
    const auto ask = [&]() -> Result<void> {
      for (const Socket& suspect : there) {
        const Result<std::optional<Socket>> found = find_socket(suspect);
        if (found && !found->has_value()) tracker_.confirm_gone(suspect.key, sys::boottime_ns());
      }
      return {};
    };
    const Result<void> asked =
        netns ? sys::in_netns(*netns, ask) : Result<void>(Error::system("enter", ENOENT));
    if (!asked && sys::is_gone(asked.error())) confirm_vanished(there, owners);
  }
}

void Comparison::abandon() {
  (void)apply_arrived();
  (void)tracker_.finish_dump(sys::boottime_ns());
}

Result<ReconcileCounts> Comparison::run(bool resync) {
  if (Result<void> before = apply_arrived(); !before) return std::move(before.error());
  tracker_.begin_dump(sys::boottime_ns(), resync);
  // Records wait: what they say is newer than the dump.
  Result<OwnerMap> owners = OwnerMap();
  live_.meanwhile([&] {
    std::vector<Dumped> rows;
    owners = dump_all(rows);
    if (owners) take_rows(std::move(rows), *owners);
  });
  if (!owners) return std::move(owners.error());

  // What is on its way must not count as lost. The first time it is news, and waits for the table to be printed.
  if (resync)
    if (Result<void> arrived = apply_arrived(); !arrived) return std::move(arrived.error());
  confirm_suspects(dumped_scope(), *owners);
  if (resync)
    if (Result<void> arrived = apply_arrived(); !arrived) return std::move(arrived.error());
  return tracker_.finish_dump(sys::boottime_ns());
}

// Where nobody has looked for owners, those that are known stay.
Result<OwnerMap> Comparison::dump_unix() {
  std::vector<Dumped> rows;
  if (Result<void> dumped = dump(namespaces_.list(), rows, diag::kUnixTables); !dumped)
    return std::move(dumped.error());
  const auto is_new = [this](const Dumped& row) { return !tracker_.knows(row.socket); };
  Result<OwnerMap> owners = OwnerMap();
  const bool asked = std::any_of(rows.begin(), rows.end(), is_new);
  if (asked) owners = find_owners();
  if (!owners) return owners;
  for (Dumped& row : rows) {
    if (asked) attribute(row.socket, *owners, describe_);
    tracker_.dump_row(std::move(row.socket));
  }
  return owners;
}

Result<void> Comparison::look_at_unix() {
  if (Result<void> before = apply_arrived(); !before) return before;
  tracker_.begin_partial_dump(sys::boottime_ns(), true);
  read_.clear();
  Result<OwnerMap> owners = OwnerMap();
  live_.meanwhile([&] { owners = dump_unix(); });
  if (!owners) return std::move(owners.error());
  if (Result<void> arrived = apply_arrived(); !arrived) return arrived;
  confirm_suspects({read_, [](const Socket& row) { return is_unix(row); }}, *owners);
  if (Result<void> arrived = apply_arrived(); !arrived) return arrived;
  (void)tracker_.finish_dump(sys::boottime_ns());
  return {};
}

Result<void> Comparison::follow_namespaces() {
  if (Result<void> looked = look_into_new(); !looked) return looked;
  return end_vanished();
}

// Most are as new as they look, and all their sockets have been seen; others were out of sight when the trace began.
Result<void> Comparison::look_into_new() {
  const std::vector<sys::NetNamespace> fresh = namespaces_.take_new();
  if (fresh.empty()) return {};
  const uint64_t started_ns = sys::boottime_ns();
  std::vector<Dumped> rows;
  Result<void> dumped;
  live_.meanwhile([&] { dumped = dump(fresh, rows); });
  Result<void> arrived = apply_arrived();
  if (!dumped) return dumped;
  if (!arrived) return arrived;
  std::erase_if(rows, [this](const Dumped& row) { return tracker_.knows(row.socket); });
  if (rows.empty()) return {};
  tracker_.begin_partial_dump(started_ns, false);
  Result<OwnerMap> owners = OwnerMap();
  live_.meanwhile([&] {
    owners = find_owners();
    if (owners) take_rows(std::move(rows), *owners);
  });
  if (!owners) return std::move(owners.error());
  (void)tracker_.finish_dump(sys::boottime_ns());
  return {};
}

Result<void> Comparison::end_vanished() {
  std::vector<uint32_t> missing = namespaces_.missing();
  if (missing.empty()) return {};
  if (Result<void> arrived = apply_arrived(); !arrived) return arrived;
  tracker_.begin_partial_dump(sys::boottime_ns(), true);
  const std::unordered_set<uint32_t> vanished(missing.begin(), missing.end());
  const DumpScope scope{{}, {}, [&](uint32_t netns) { return vanished.contains(netns); }};
  if (const std::vector<Socket> left = tracker_.suspects(scope); !left.empty()) {
    Result<OwnerMap> owners = find_owners();
    if (!owners) return std::move(owners.error());
    confirm_vanished(left, *owners);
    missing = namespaces_.missing();  // where a socket is held, the namespace is not gone
  }
  (void)tracker_.finish_dump(sys::boottime_ns());
  for (const uint32_t netns : missing) namespaces_.forget(netns);
  return {};
}

}  // namespace socktrace::source

#include "source/comparison.h"

#include <optional>
#include <vector>

#include "source/dump.h"
#include "sys/clock.h"
#include "sys/procfs.h"

namespace socktrace::source {

Result<OwnerMap> Comparison::find_owners() {
  Result<OwnerMap> owners = owners_from([this](const std::function<void(const st_open_socket&)>& sink) {
    return live_.tracer().for_each_open_socket(sink);
  });
  if (owners) return owners;
  Result<sys::Procfs> procfs = sys::Procfs::open();
  if (!procfs) return std::move(procfs.error());
  return scan_owners(*procfs);
}

Result<void> Comparison::apply_arrived() {
  Result<size_t> drained = live_.drain([this](const Record& record) { tracker_.apply(record); });
  if (!drained) return std::move(drained.error());
  return {};
}

Result<void> Comparison::dump() {
  DumpRequest request;
  request.netns = netns_;
  std::vector<Socket> sockets;
  Result<void> dumped = dump_sockets(request, [&](Socket&& socket) {
    sockets.push_back(std::move(socket));
    constexpr size_t kRowsBetweenDrains = 1024;
    if (sockets.size() % kRowsBetweenDrains == 0) (void)live_.drain([](const Record&) {});
  });
  if (!dumped) return dumped;

  Result<OwnerMap> owners = find_owners();
  if (!owners) return std::move(owners.error());
  for (Socket& socket : sockets) {
    // /proc/net/raw, on kernels without raw_diag, has no cookies; whoever holds the descriptor tells.
    if (const auto holders = owners->find(socket.inode, 0); socket.key.cookie == 0 && !holders.empty())
      socket.key = {holders.front().cookie, 0};
    attribute(socket, *owners, describe_);
    tracker_.dump_row(std::move(socket));
  }
  return {};
}

// What the dump did not show may have been missed by it: ask for each.
Result<void> Comparison::confirm_suspects() {
  const DumpScope scope{netns_, {}};
  for (const Socket& suspect : tracker_.suspects(scope)) {
    Result<std::optional<Socket>> found = find_socket(suspect);
    if (found && !found->has_value()) tracker_.confirm_gone(suspect.key, sys::boottime_ns());
  }
  return {};
}

void Comparison::abandon() {
  (void)live_.release([this](const Record& record) { tracker_.apply(record); });
  (void)tracker_.finish_dump(sys::boottime_ns());
}

Result<ReconcileCounts> Comparison::run(bool resync) {
  if (Result<void> before = apply_arrived(); !before) return std::move(before.error());
  live_.hold();
  tracker_.begin_dump(sys::boottime_ns(), resync);
  if (Result<void> dumped = dump(); !dumped) return std::move(dumped.error());

  // What is on its way must not count as lost. The first time it is news, and waits for the table to be printed.
  if (resync) {
    Result<void> released = live_.release([this](const Record& record) { tracker_.apply(record); });
    if (!released) return std::move(released.error());
  }
  if (Result<void> confirmed = confirm_suspects(); !confirmed) return std::move(confirmed.error());
  if (resync)
    if (Result<void> arrived = apply_arrived(); !arrived) return std::move(arrived.error());
  return tracker_.finish_dump(sys::boottime_ns());
}

}  // namespace socktrace::source

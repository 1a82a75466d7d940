#include "cli/host_sockets.h"

#include <algorithm>
#include <string>
#include <utility>

#include "source/dump.h"
#include "source/find_owners.h"
#include "sys/cgroupfs.h"
#include "sys/clock.h"
#include "sys/mounts.h"
#include "sys/netns.h"
#include "sys/procfs.h"

namespace socktrace::cli {
namespace {

constexpr diag::TableSet kTables = diag::bit(diag::Table::tcp) | diag::bit(diag::Table::udp) |
                                   diag::bit(diag::Table::udplite) | diag::bit(diag::Table::mptcp);

// A dump does not tell who made a connection; one that has a listener's port came in through it.
void mark_inbound(std::vector<Socket>& sockets) {
  std::vector<std::pair<uint16_t, const Socket*>> listeners;
  for (const Socket& socket : sockets)
    if (socket.state == State::listen) listeners.emplace_back(socket.local.port, &socket);
  std::ranges::sort(listeners, {}, &std::pair<uint16_t, const Socket*>::first);
  for (Socket& socket : sockets) {
    if (!is_tcp(socket) || socket.peer.port == 0) continue;
    const auto same_port = std::ranges::equal_range(listeners, socket.local.port, {},
                                                    &std::pair<uint16_t, const Socket*>::first);
    socket.inbound = std::ranges::any_of(same_port, [&](const auto& entry) {
      const Socket& listener = *entry.second;
      return is_wildcard(listener.family, listener.local.address) ||
             (listener.family == socket.family && listener.local.address == socket.local.address);
    });
  }
}

}  // namespace

Result<void> HostSockets::find_owners() {
  Result<sys::Procfs> procfs = sys::Procfs::open();
  if (!procfs) return std::move(procfs.error());
  Result<source::OwnerMap> owners = source::find_owners_and_options(*procfs);
  if (!owners) return std::move(owners.error());
  owners_ = std::move(*owners);
  Result<sys::UniqueFd> cgroups = sys::open_cgroup2();
  processes_ = std::make_unique<enrich::Processes>(
      std::move(*procfs), cgroups ? sys::CgroupTree(std::move(*cgroups)) : sys::CgroupTree());
  return {};
}

Result<std::vector<Socket>> HostSockets::dump(const Request& request) {
  const Result<uint32_t> netns = sys::current_netns();
  if (!netns) return Error(netns.error());
  source::DumpRequest dump;
  dump.tables = kTables;
  dump.states = request.states;
  dump.netns = *netns;
  std::vector<std::byte> bytecode;
  if (request.port != 0) bytecode = source::bytecode_of_port(request.port);
  dump.bytecode = bytecode;
  std::vector<Socket> sockets;
  const Result<diag::TableSet> dumped = source::dump_sockets(dump, [&](diag::Row&& row) {
    if (request.port != 0 && row.socket.local.port != request.port) return;
    row.socket.changed_ns = row.timer.timewait_began_ns(sys::boottime_ns());
    sockets.push_back(std::move(row.socket));
  });
  if (!dumped) return Error(dumped.error());
  if (sockets.empty()) return sockets;
  if (!owners_)
    if (Result<void> found = find_owners(); !found) return std::move(found.error());
  for (Socket& socket : sockets)
    source::attribute(socket, *owners_, [this](const source::SocketHolder& holder) {
      return processes_->find(holder.pid, holder.start_ns, holder.comm());
    });
  mark_inbound(sockets);
  return sockets;
}

}  // namespace socktrace::cli

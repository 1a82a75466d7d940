#include "cli/explanation.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/hash.h"
#include "diagnose/connect_rules.h"
#include "diagnose/explain.h"
#include "diagnose/host_facts.h"
#include "diagnose/unix_name.h"
#include "enrich/lineage.h"
#include "source/dump.h"
#include "sys/clock.h"
#include "sys/netns.h"
#include "sys/procfs.h"

namespace socktrace::cli {
namespace {

// Settings and addresses of a network namespace.
Result<diagnose::HostFacts> host_facts_of(uint32_t netns, const source::KnownNamespaces& namespaces) {
  const sys::NetNamespace* there = namespaces.find(netns);
  if (there == nullptr) return Error{"network namespace " + std::to_string(netns) + ": no way in"};
  return sys::in_netns(*there, [] { return diagnose::read_host_facts(); });
}

// Where no hook tells of the end of unix sockets, one may be over without having been missed yet.
bool has_ended(const Socket& socket, const source::KnownNamespaces& namespaces) {
  const sys::NetNamespace* there = namespaces.find(socket.netns);
  if (there == nullptr) return false;
  const Result<std::optional<Socket>> found =
      sys::in_netns(*there, [&] { return source::find_socket(socket); });
  return found && !found->has_value();
}

// The same path in another mount namespace is another file, or is taken for one. Nothing where a process is gone.
std::optional<uint32_t> mount_namespace_of(const sys::Procfs& procfs, const ProcessRef& process) {
  const Result<sys::ProcessDir> dir =
      process ? procfs.process(process->pid) : Result<sys::ProcessDir>(Error{});
  const Result<uint32_t> inode = dir ? dir->mount_namespace() : Result<uint32_t>(Error{});
  return inode ? std::optional(*inode) : std::nullopt;
}

bool is_elsewhere(const sys::Procfs& procfs, const Socket& socket, std::optional<uint32_t> here) {
  const auto differs = [&](const Owner& owner) {
    const std::optional<uint32_t> there = mount_namespace_of(procfs, owner.process);
    return here && there && *there != *here;
  };
  return !socket.owners.empty() && std::all_of(socket.owners.begin(), socket.owners.end(), differs);
}

void prepare_unix(const Event& event, std::vector<Socket>& sockets, const source::Comparison& comparison,
                  const source::KnownNamespaces& namespaces) {
  const Result<sys::Procfs> procfs = sys::Procfs::open();
  if (!procfs) return;
  const std::optional<uint32_t> here = mount_namespace_of(*procfs, event.process);
  std::erase_if(sockets, [&](const Socket& socket) { return is_elsewhere(*procfs, socket, here); });
  if (comparison.sees_unix_ends()) return;
  for (Socket& socket : sockets)
    if (has_ended(socket, namespaces)) socket.inode = 0;
}

// What a failure can be explained by.
bool is_concerned_by(const Event& event, const Socket& row) {
  const Socket& asking = event.socket;
  if (is_unix(asking)) return diagnose::may_hold_unix_name(asking, row);
  if (row.netns != asking.netns || is_unix(row)) return false;
  if (event.kind == EventKind::tcp_connect_failed) return diagnose::may_block_connect(asking, row);
  return asking.local.port == 0 || row.local.port == asking.local.port;
}

// Who holds each of these now; or a moment ago, when one that is not found may have been opened since.
void look_up_owners(std::vector<Socket>& sockets, const source::OwnerMap& owners,
                    const source::DescribeHolder& describe, bool anew) {
  for (Socket& socket : sockets) {
    if (socket.owners.empty() || !owners.find(socket.inode, socket.key.cookie).empty())
      source::attribute(socket, owners, describe);
    else if (anew && owners.unreadable_processes() == 0)
      for (Owner& owner : socket.owners) owner.exited = true;
  }
}

// Somebody may be in the way: a bind or listen failed, or a connect found no free port.
bool needs_explanation(const Event& event) {
  return event.kind == EventKind::bind_failed || event.kind == EventKind::listen_failed ||
         (event.kind == EventKind::tcp_connect_failed && event.error == EADDRNOTAVAIL &&
          !is_unix(event.socket));
}

// The same call, as far as its explanation goes.
bool is_alike(const Event& a, const Event& b) {
  return a.kind == b.kind && a.error == b.error && a.previous == b.previous &&
         a.socket.netns == b.socket.netns && a.socket.family == b.socket.family &&
         a.socket.protocol == b.socket.protocol && a.socket.type == b.socket.type &&
         a.socket.local == b.socket.local && a.socket.peer == b.socket.peer &&
         a.socket.ifindex == b.socket.ifindex && a.socket.uid == b.socket.uid &&
         a.socket.options == b.socket.options && details_of(a.socket).name == details_of(b.socket).name;
}

uint64_t place(const Socket& socket) {
  return uint64_t{socket.netns} << 16 | socket.local.port;
}

}  // namespace

void PastListeners::note(const Event& event) {
  constexpr size_t kMost = 100'000;
  if (event.kind != EventKind::tcp_listen && event.kind != EventKind::socket_seen) return;
  if (event.socket.state != State::listen) return;
  if (ports_.size() >= kMost) ports_.clear();
  ports_.insert(place(event.socket));
}

bool PastListeners::had(const Socket& socket) const {
  return ports_.contains(place(socket));
}

// Connections that hold a port but are not traced, and what such a one has left bound: as they are now, and more than one for
// each port at the most.
std::vector<Socket> Explainer::untraced(const Event& event, const std::vector<Socket>& traced) const {
  constexpr size_t kMost = 100'000;
  std::vector<Socket> found;
  const sys::NetNamespace* there = namespaces_.find(event.socket.netns);
  if (there == nullptr) return found;
  source::DumpRequest request;
  request.tables = diag::bit(diag::Table::tcp) | diag::bit(diag::Table::mptcp);
  request.netns = there->inode;
  std::vector<std::byte> bytecode;
  if (event.socket.local.port != 0) bytecode = source::bytecode_of_port(event.socket.local.port);
  request.bytecode = bytecode;
  std::unordered_set<SocketKey, SocketKeyHash> known;
  for (const Socket& socket : traced) known.insert(socket.key);
  (void)sys::in_netns(*there, [&] {
    return source::dump_rows(request, [&](diag::Row&& row) {
      Socket& socket = row.socket;
      if (!is_concerned_by(event, socket) || !known.insert(socket.key).second) return true;
      socket.inbound = socket.peer.port != 0 && listeners_.had(socket);
      socket.changed_ns = row.timer.timewait_began_ns(sys::boottime_ns());
      found.push_back(std::move(socket));
      return found.size() < kMost;
    });
  });
  return found;
}

void Explainer::note(const Event& event) {
  if (!comparison_.tells_connections()) listeners_.note(event);
}

void Explainer::explain(Event& event) {
  if (!needs_explanation(event)) return;
  const uint64_t began_ns = sys::boottime_ns();
  const bool anew = pace_.allows(began_ns);
  if (!anew && is_alike(event, last_)) {
    event.conflicts = last_.conflicts;
  } else {
    look_up(event, anew);
    pace_.took(began_ns, sys::boottime_ns() - began_ns);
    last_ = event;
  }
  if (event.kind != EventKind::tcp_connect_failed) event.failures = failures_.note(event);
}

void Explainer::look_up(Event& event, bool anew) {
  std::vector<Socket> sockets;
  table_.for_each([&](const Socket& row) {
    if (is_concerned_by(event, row)) sockets.push_back(row);
  });
  std::vector<Socket> others;
  if (is_unix(event.socket))
    prepare_unix(event, sockets, comparison_, namespaces_);
  else if (is_tcp(event.socket) && !comparison_.tells_connections())
    others = untraced(event, sockets);
  // Descriptors wander by fork, exec and SCM_RIGHTS without any record: who holds the port is looked up now.
  if (anew || !owners_)
    if (Result<source::OwnerMap> owners = comparison_.find_owners()) owners_ = std::move(*owners);
  if (owners_) {
    look_up_owners(sockets, *owners_, comparison_.describe(), anew);
    look_up_owners(others, *owners_, comparison_.describe(), anew);
  }
  // It had a descriptor a moment ago. One that is gone has held the port all the same, but whose it was nobody knows.
  std::erase_if(others, [&](const Socket& socket) {
    return socket.inode != 0 && socket.owners.empty() && has_ended(socket, namespaces_);
  });
  std::move(others.begin(), others.end(), std::back_inserter(sockets));
  std::vector<const Socket*> candidates;
  for (const Socket& socket : sockets) candidates.push_back(&socket);
  const Result<diagnose::HostFacts> facts = host_facts_of(event.socket.netns, namespaces_);
  event.conflicts = diagnose::explain_failure(event, candidates, facts ? *facts : diagnose::HostFacts{});
  enrich::add_lineage(event.conflicts);
}

}  // namespace socktrace::cli

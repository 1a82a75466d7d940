#include "cli/explanation.h"

#include <cerrno>
#include <string>
#include <vector>

#include "diagnose/explain.h"
#include "diagnose/host_facts.h"
#include "enrich/lineage.h"
#include "sys/netns.h"

namespace socktrace::cli {
namespace {

// Settings and addresses of a network namespace.
Result<diagnose::HostFacts> host_facts_of(uint32_t netns, const source::KnownNamespaces& namespaces) {
  const sys::NetNamespace* there = namespaces.find(netns);
  if (there == nullptr) return Error{"network namespace " + std::to_string(netns) + ": no way in"};
  return sys::in_netns(*there, [] { return diagnose::read_host_facts(); });
}

}  // namespace

bool needs_explanation(const Event& event) {
  return event.kind == EventKind::bind_failed || event.kind == EventKind::listen_failed ||
         (event.kind == EventKind::tcp_connect_failed && event.error == EADDRNOTAVAIL);
}

void explain(Event& event, const Table& table, source::Comparison& comparison,
             const source::KnownNamespaces& namespaces, diagnose::FailureCounter& failures) {
  std::vector<Socket> sockets;
  const Socket& asking = event.socket;
  table.for_each([&](const Socket& row) {
    if (row.netns != asking.netns) return;
    const bool concerned = event.kind == EventKind::tcp_connect_failed
                               ? row.peer == asking.peer
                               : asking.local.port == 0 || row.local.port == asking.local.port;
    if (concerned) sockets.push_back(row);
  });
  // Descriptors wander by fork, exec and SCM_RIGHTS without any record: who holds the port is looked up now.
  if (Result<source::OwnerMap> owners = comparison.find_owners()) {
    for (Socket& socket : sockets) {
      if (owners->find(socket.inode, socket.key.cookie).empty()) {
        if (owners->unreadable_processes() == 0)
          for (Owner& owner : socket.owners) owner.exited = true;
        continue;
      }
      source::attribute(socket, *owners, comparison.describe());
    }
  }
  std::vector<const Socket*> candidates;
  for (const Socket& socket : sockets) candidates.push_back(&socket);
  const Result<diagnose::HostFacts> facts = host_facts_of(asking.netns, namespaces);
  event.conflicts = diagnose::explain_failure(event, candidates, facts ? *facts : diagnose::HostFacts{});
  if (event.kind != EventKind::tcp_connect_failed) event.failures = failures.note(event);
  enrich::add_lineage(event.conflicts);
}

}  // namespace socktrace::cli

#include "diagnose/failed_call.h"

#include "diagnose/bind_request.h"
#include "diagnose/conflict.h"

namespace socktrace::diagnose {

std::vector<Conflict> explain_failed_call(const Event& event, const Table& table, const HostFacts& facts) {
  const Socket& socket = event.socket;
  BindRequest request;
  request.netns = socket.netns;
  request.protocol = socket.protocol;
  request.family = socket.family;
  request.local = socket.local;
  request.ifindex = socket.ifindex;
  request.options = socket.options;
  request.uid = socket.uid != UINT32_MAX ? socket.uid : event.process ? event.process->uid : UINT32_MAX;
  request.key = socket.key;
  request.inode = socket.inode;
  request.is_listen = event.kind == EventKind::listen_failed;
  request.time_ns = event.time_ns;

  std::vector<const Socket*> candidates;
  table.for_each([&](const Socket& row) {
    if (may_conflict(request, row)) candidates.push_back(&row);
  });
  return holders_of_failure(request, event.error, candidates, facts);
}

}  // namespace socktrace::diagnose

#include "diagnose/explain.h"

#include <algorithm>
#include <cerrno>

#include "diagnose/conflict.h"
#include "diagnose/connect_rules.h"
#include "diagnose/unix_name.h"

namespace socktrace::diagnose {

BindRequest request_of(const Event& event) {
  const Socket& socket = event.socket;
  BindRequest request;
  request.netns = socket.netns;
  request.protocol = socket.protocol;
  request.family = socket.family;
  request.local = socket.local;
  request.ifindex = socket.ifindex;
  request.options = socket.options;
  request.uid = socket.uid;
  // A socket that has just been created belongs to the user of the process that binds it.
  if (request.uid == UINT32_MAX && event.process) request.uid = event.process->uid;
  request.key = socket.key;
  request.inode = socket.inode;
  request.is_listen = event.kind == EventKind::listen_failed;
  // Capabilities are not traced; root has this one unless somebody took it away.
  request.capable_net_bind = request.uid == 0 || (event.process && event.process->uid == 0);
  request.time_ns = event.time_ns;
  return request;
}

std::vector<Conflict> explain_failure(const Event& event, SocketSpan sockets, const HostFacts& facts) {
  if (event.error == 0) return {};
  if (is_unix(event.socket)) return explain_unix_failure(event, sockets);
  if (event.kind == EventKind::tcp_connect_failed) {
    // Before SYN_SENT it is the address that there is none of.
    if (event.error != EADDRNOTAVAIL || event.previous != State::syn_sent) return {};
    return {explain_failed_connect(event.socket, sockets, facts, event.time_ns)};
  }
  return holders_of_failure(request_of(event), event.error, sockets, facts);
}

int infer_error(const Event& event, SocketSpan sockets, const HostFacts& facts) {
  BindRequest request = request_of(event);
  request.already_bound = !request.is_listen && std::ranges::any_of(sockets, [&](const Socket* socket) {
    return socket->local.port != 0 && socket->key == request.key;
  });
  return explain(request, sockets, facts).error;
}

}  // namespace socktrace::diagnose

#include "diagnose/unix_name.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "diagnose/next_step.h"
#include "diagnose/reason.h"

namespace socktrace::diagnose {
namespace {

const std::string& name_of(const Socket& socket) {
  return details_of(socket).name;
}

bool is_abstract(const std::string& name) {
  return name.starts_with('@');
}

// One that listens or is open before one that is connected, which may be an accepted one that a dump has shown; then the
// youngest: a file can be removed while its socket stays.
const Socket* likely_holder(const Socket& asking, SocketSpan sockets) {
  const auto rank = [](const Socket& socket) {
    const bool connected = socket.type != SOCK_DGRAM && socket.state == State::established;
    return std::pair(!connected, socket.opened_ns);
  };
  const Socket* likely = nullptr;
  for (const Socket* socket : sockets)
    if (may_hold_unix_name(asking, *socket) && (!likely || rank(*likely) < rank(*socket))) likely = socket;
  return likely;
}

std::string why_taken(const Socket& holder) {
  if (holder.inode == 0) return "this socket had the name, and was closed a moment ago";
  return is_abstract(name_of(holder))
             ? "one socket of each type in a network namespace may have an abstract name"
             : "its file exists, and this socket is bound to it";
}

Conflict taken(const Socket& holder) {
  Conflict conflict;
  conflict.holder = holder;
  conflict.reason = id(Reason::unix_name_taken);
  conflict.why = why_taken(holder);
  conflict.held_for = held_for(holder);
  const bool held = std::ranges::any_of(holder.owners, [](const Owner& owner) { return !owner.exited; });
  conflict.next = held ? next_step(holder) : "socktrace ss -xap src " + shell_word(name_of(holder));
  return conflict;
}

Conflict no_socket_known(const std::string& path) {
  Conflict conflict;
  conflict.reason = id(Reason::unix_path_exists);
  conflict.why =
      "the file exists, and no socket is known by that name: it was left behind, or is of a socket that was "
      "bound by another spelling of the path, or of none";
  conflict.next = "ls -l " + shell_word(path);
  return conflict;
}

std::string why_of_bind(int error) {
  switch (error) {
    case ENOENT:
      return "a directory of the path does not exist";
    case EACCES:
      return "no permission to make a file in that directory, or to search the path";
    case EINVAL:
      return "the socket has a name already, or was given an address that is none of a unix socket";
    default:
      return std::strerror(error);
  }
}

std::string why_of_listen(int error, uint8_t type) {
  if (error == EINVAL) return "the socket has no name, or is connected: bind() comes first";
  if (error == EOPNOTSUPP && type == SOCK_DGRAM) return "datagram sockets do not listen";
  return std::strerror(error);
}

}  // namespace

bool may_hold_unix_name(const Socket& asking, const Socket& socket) {
  if (!is_unix(socket) || name_of(asking).empty() || name_of(socket) != name_of(asking)) return false;
  if (socket.inbound || socket.key == asking.key) return false;
  return !is_abstract(name_of(asking)) || (socket.netns == asking.netns && socket.type == asking.type);
}

std::vector<Conflict> explain_unix_failure(const Event& event, SocketSpan sockets) {
  if (event.kind == EventKind::tcp_connect_failed) return {};
  const Socket& asking = event.socket;
  if (event.error == EADDRINUSE && !name_of(asking).empty()) {
    if (const Socket* holder = likely_holder(asking, sockets)) return {taken(*holder)};
    if (!is_abstract(name_of(asking))) return {no_socket_known(name_of(asking))};
  }
  Conflict conflict;
  conflict.reason = id(Reason::other_error);
  conflict.why = event.kind == EventKind::listen_failed ? why_of_listen(event.error, asking.type)
                                                        : why_of_bind(event.error);
  return {conflict};
}

}  // namespace socktrace::diagnose

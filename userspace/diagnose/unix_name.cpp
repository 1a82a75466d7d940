#include "diagnose/unix_name.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "diagnose/next_step.h"
#include "diagnose/reason.h"

namespace socktrace::diagnose {
namespace {

const std::string& name_of(const Socket& socket) {
  static const std::string kNone;
  return socket.details ? socket.details->name : kNone;
}

bool is_abstract(const std::string& name) {
  return name.starts_with('@');
}

Conflict taken(const Socket& asking, const Socket& holder) {
  Conflict conflict;
  conflict.holder = holder;
  conflict.reason = id(Reason::unix_name_taken);
  conflict.why = is_abstract(name_of(asking)) ? "one socket of a network namespace may have an abstract name"
                                              : "its file exists, and this socket is bound to it";
  conflict.held_for = held_for(holder);
  const bool held = std::ranges::any_of(holder.owners, [](const Owner& owner) { return !owner.exited; });
  conflict.next = held ? next_step(holder) : "socktrace ss -xap src " + shell_word(name_of(holder));
  return conflict;
}

Conflict left_behind(const std::string& path) {
  Conflict conflict;
  conflict.reason = id(Reason::unix_file_left);
  conflict.why =
      "the file exists, but no socket is bound to it: who made it has not removed it (unlink() before "
      "bind())";
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
      return "the socket has a name already, or the one it was given has no end";
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

bool holds_unix_name(const Socket& asking, const Socket& socket) {
  if (!is_unix(socket) || name_of(asking).empty() || name_of(socket) != name_of(asking)) return false;
  if (socket.type != SOCK_DGRAM && socket.state == State::established) return false;
  return socket.key != asking.key && (!is_abstract(name_of(asking)) || socket.netns == asking.netns);
}

std::vector<Conflict> explain_unix_failure(const Event& event, SocketSpan sockets) {
  if (event.kind == EventKind::tcp_connect_failed) return {};
  const Socket& asking = event.socket;
  std::vector<Conflict> conflicts;
  if (event.error == EADDRINUSE)
    for (const Socket* socket : sockets)
      if (holds_unix_name(asking, *socket)) conflicts.push_back(taken(asking, *socket));
  if (!conflicts.empty()) return conflicts;
  if (event.error == EADDRINUSE && !name_of(asking).empty() && !is_abstract(name_of(asking)))
    return {left_behind(name_of(asking))};
  Conflict conflict;
  conflict.reason = id(Reason::other_error);
  conflict.why = event.kind == EventKind::listen_failed ? why_of_listen(event.error, asking.type)
                                                        : why_of_bind(event.error);
  return {conflict};
}

}  // namespace socktrace::diagnose

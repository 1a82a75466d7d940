#pragma once

#include <vector>

#include "core/event.h"
#include "diagnose/tcp_rules.h"

namespace socktrace::diagnose {

// Whether `socket` may be bound to the name that `asking` wants: a path, whatever network namespace it is in, or an abstract
// name of the same one and of the same type. An accepted socket shows its listener's name and does not hold it.
bool may_hold_unix_name(const Socket& asking, const Socket& socket);

// As explain_failure(), of a unix socket: `sockets` are at least those that may hold its name; their inode is 0 where they
// have just been closed. A file is not looked at (whoever serves its file system could keep us waiting), so that of several
// sockets of a name the youngest is told.
std::vector<Conflict> explain_unix_failure(const Event& event, SocketSpan sockets);

}  // namespace socktrace::diagnose

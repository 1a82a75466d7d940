#pragma once

#include <vector>

#include "core/event.h"
#include "diagnose/tcp_rules.h"

namespace socktrace::diagnose {

// Whether `socket` is bound to the name that `asking` wants: a path, whatever network namespace it is in, or an abstract name
// of the same one. An accepted socket shows its listener's name and does not hold it.
bool holds_unix_name(const Socket& asking, const Socket& socket);

// As explain_failure(), of a unix socket: `sockets` are at least those that hold its name.
std::vector<Conflict> explain_unix_failure(const Event& event, SocketSpan sockets);

}  // namespace socktrace::diagnose

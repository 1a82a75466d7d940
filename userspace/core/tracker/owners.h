#pragma once

#include <cstdint>

#include "core/socket.h"

namespace socktrace {

// Owners are a set: a process by same_process(), once for each of its descriptors.

// The process was in a system call on the socket. Inherited owners were a guess and give way. Returns whether
// that is news. `fd` -1: the descriptor is not known, and one that is known of the process stays.
bool add_owner(Socket& socket, const ProcessRef& process, int32_t fd);

// The process has closed the last descriptor: whoever else was known to hold one had closed theirs before.
void last_owner_is(Socket& socket, const ProcessRef& process, int32_t fd);

// A child that nobody has accepted yet shows its listener's owners.
void inherit_owners(Socket& child, const Socket& listener);

// No descriptor refers to the socket any more; its owners are the last known ones. Returns whether that is
// news.
bool mark_exited(Socket& socket);

// Nobody that is known holds it open.
bool all_exited(const Socket& socket);

// Somebody is known for sure: not inherited.
bool has_known_owner(const Socket& socket);

// The same processes, by the same names (exec() gives another), with the same descriptors; one that `found` does not know counts as the same, but one that only
// `found` knows is news.
bool same_owners(const Socket& known, const Socket& found);
// The same processes.
bool same_holders(const Socket& a, const Socket& b);

}  // namespace socktrace

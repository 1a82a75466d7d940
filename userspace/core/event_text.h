#pragma once

#include <string>
#include <string_view>

#include "core/event.h"

namespace socktrace {

// The phrases that event lines and log messages share. Every name is escaped (core/escape.h).

// "0.0.0.0:8080/tcp", "10.0.0.5:22 203.0.113.9:50122/tcp", "/run/docker.sock/unix".
void append_where(std::string& out, const Socket& socket);
// "nginx[991]"; "?[991]" when the name is unknown.
void append_name(std::string& out, const Process& process);
// "www-data"; the uid of a user without a name, "?" when not even that is known.
void append_user(std::string& out, const Process& process);
// `TITLE(name[pid],name[pid])`, each process once.
void append_processes(std::string& out, std::string_view title, const std::vector<Owner>& owners);
// "EADDRINUSE", or "errno 133" for a number without a name here.
void append_error(std::string& out, int error);
// "?permission", "?kernel": what stands where an owner would.
std::string_view no_owner_text(NoOwner reason);
// The process the event is about: who did it, else the first owner of its socket; null when there is none.
const Process* actor(const Event& event);

}  // namespace socktrace

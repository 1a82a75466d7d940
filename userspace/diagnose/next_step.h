#pragma once

#include <string>

#include "core/socket.h"

namespace socktrace::diagnose {

// The command that shows more about whoever holds `socket`: its container, its systemd unit, its process.
// Always read-only, and safe to paste: names that come from a cgroup are quoted. Never empty.
std::string next_step(const Socket& socket);

// For whom the holder holds the port, where that is not itself: "systemd, for a socket unit", "docker-proxy,
// for a container". Empty otherwise.
std::string on_behalf_of(const Socket& socket);

}  // namespace socktrace::diagnose

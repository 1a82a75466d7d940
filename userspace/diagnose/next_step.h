#pragma once

#include <string>

#include "core/socket.h"

namespace socktrace::diagnose {

// The command that shows more about whoever holds `socket`: its container, its systemd unit, its process.
// Always read-only, and safe to paste: names that come from a cgroup are quoted. Never empty.
std::string next_step(const Socket& socket);

// A word of a POSIX shell: as it is when harmless, else in single quotes.
std::string shell_word(const std::string& text);

// For whom the holder holds the port, where that is not itself: "a socket unit", "a container". Empty otherwise.
std::string held_for(const Socket& socket);

}  // namespace socktrace::diagnose

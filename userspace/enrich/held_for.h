#pragma once

#include <string>
#include <string_view>

#include "core/process.h"
#include "core/socket.h"

namespace socktrace::enrich {

// For whom a service manager or a port proxy holds a port, where more can be said than that it does: of systemd the
// socket unit, "ssh.socket, which starts ssh.service"; of docker-proxy where it leads to, "172.17.0.2:80, in a
// container". Empty for all others. `command` is its command line, `root` where the units of systemd are.
std::string held_for(const Socket& socket, const Process& holder, std::string_view command,
                     const std::string& root = "/");

}  // namespace socktrace::enrich

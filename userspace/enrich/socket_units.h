#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/socket.h"

namespace socktrace::enrich {

// A systemd.socket(5) unit, as far as it tells whose a port is that the service manager holds.
struct SocketUnit {
  struct Listen {
    uint16_t protocol = 0;  // IPPROTO_TCP or IPPROTO_UDP
    Family family{};        // unspecified: a port alone, which is bound to [::]
    Endpoint local;
  };

  std::string name;     // "ssh.socket"
  std::string service;  // "ssh.service", which a connection starts
  std::vector<Listen> listens;
};

// The settings of a unit file or of one that extends it: what comes later adds to what there is, an empty setting
// clears it. Everything that is no TCP or UDP port is passed over.
void add_unit_text(SocketUnit& unit, std::string_view text);

// The system manager's units below `root`, in the order of their names, with the files that extend them.
std::vector<SocketUnit> read_socket_units(const std::string& root = "/");

// The unit that lists the address of the socket; null when none does.
const SocketUnit* unit_of(const Socket& socket, const std::vector<SocketUnit>& units);

}  // namespace socktrace::enrich

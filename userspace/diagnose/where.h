#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/address.h"
#include "core/result.h"

namespace socktrace::diagnose {

// What `socktrace why` is asked about: a port, or whatever one process holds.
struct Where {
  uint16_t port = 0;                    // 0: a process is meant
  uint16_t protocol = 0;                // IPPROTO_TCP or IPPROTO_UDP; 0: both
  Family family = Family::unspecified;  // of `address`; unspecified: every address
  AddressBytes address{};
  uint32_t pid = 0;
  std::string process;  // a name, when neither port nor pid is given
};

// "8080", ":8080", "8080/udp", ":http", "127.0.0.1:8080", "[::1]:8080/tcp", "*:8080", "pid:1234", or the name of a
// process. `service` finds the port of a name behind a colon. ErrorKind::usage for everything else.
using FindService = std::function<std::optional<uint16_t>(std::string_view name)>;
Result<Where> parse_where(std::string_view text, const FindService& service);

}  // namespace socktrace::diagnose

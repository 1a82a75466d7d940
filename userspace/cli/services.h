#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace socktrace::cli {

// The port of a service of any protocol, in /etc/services and what else nsswitch.conf names.
std::optional<uint16_t> service_port(std::string_view name);

}  // namespace socktrace::cli

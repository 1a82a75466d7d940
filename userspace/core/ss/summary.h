#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace socktrace::ss {

// TCP sockets of one network namespace, those in TIME-WAIT apart.
struct TcpCounts {
  int64_t sockets = 0;
  int64_t closed = 0;    // not connected and not listening
  int64_t orphaned = 0;  // closed by their process, and still at work
};

// What -s prints, from the texts of /proc/net/sockstat, sockstat6 and snmp. In sockstat the numbers of allocated and orphaned
// TCP sockets are those of the whole host: away from its first network namespace they have to be counted.
std::string summary_text(std::string_view sockstat, std::string_view sockstat6, std::string_view snmp,
                         const std::optional<TcpCounts>& counted = std::nullopt);

}  // namespace socktrace::ss

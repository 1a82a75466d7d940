#pragma once

#include <linux/packet_diag.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace socktrace::ss {

// Parts of the -e and -b text of packet sockets.
void append_packet_flags(std::string& out, uint32_t flags);  // "running auxdata ", PDI_*
void append_packet_ring(std::string& out, std::string_view name, const packet_diag_ring& ring);
void append_packet_fanout(std::string& out, uint32_t value);                      // PACKET_DIAG_FANOUT
void append_packet_filter(std::string& out, std::span<const std::byte> program);  // sock_filter[]

}  // namespace socktrace::ss

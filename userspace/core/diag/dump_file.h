#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace socktrace::diag {

// The files of `ss -D`: the netlink messages of a TCP dump one after another, in the byte order of the host, each a
// nlmsghdr and an inet_diag_msg with its attributes; NLMSG_DONE ends a dump. ss itself writes a dump for each
// address family, so that one file has several ends.

// Appends one answer.
void append_dump_message(std::string& out, std::span<const std::byte> payload);
// Appends the end of the dump.
void append_dump_end(std::string& out);

}  // namespace socktrace::diag
